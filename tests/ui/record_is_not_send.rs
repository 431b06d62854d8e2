use psdf::dataflow;
use std::rc::Rc;

dataflow! {
    flow Names {
        input names: String;
        shared = names -> map(|name| Rc::new(name));
        output shared;
    }
}

fn main() {}
