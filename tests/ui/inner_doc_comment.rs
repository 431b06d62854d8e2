use psdf::dataflow;

dataflow! {
    flow Words {
        //! What this flow does.
        input words: String;
        output long = words;
    }
}

fn main() {}
