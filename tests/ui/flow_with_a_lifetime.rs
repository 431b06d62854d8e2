use psdf::dataflow;

dataflow! {
    flow Words<'a> {
        input words: std::borrow::Cow<'a, str>;
        output sizes: usize = words -> map(|word| word.len());
    }
}

fn main() {}
