use psdf::dataflow;
use std::rc::Rc;

dataflow! {
    flow Words {
        param prefix: Rc<str>;
        input words: String;
        long = words -> filter(|word| word.starts_with(&**prefix));
        output long;
    }
}

fn main() {}
