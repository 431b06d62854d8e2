use psdf::dataflow;
use std::rc::Rc;

dataflow! {
    flow Names {
        input names: Rc<str>;
        lengths = names -> map(|name| name.len());
        output lengths;
    }
}

fn main() {}
