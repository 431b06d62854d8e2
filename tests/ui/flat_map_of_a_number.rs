use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        letters = words -> flat_map(|word| word.len());
        output letters;
    }
}

fn main() {}
