use psdf::dataflow;
use std::rc::Rc;

pub struct Name(Rc<str>);

dataflow! {
    flow Names {
        input names: Name;
        lengths = names -> map(|name| name.0.len());
        output lengths;
    }
}

fn main() {}
