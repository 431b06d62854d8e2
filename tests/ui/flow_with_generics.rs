use psdf::dataflow;

dataflow! {
    flow Words<T> {
        input words: T;
        output long = words;
    }
}

fn main() {}
