use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        ouput words_out = words;
    }
}

fn main() {}
