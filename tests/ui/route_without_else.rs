use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        words -> route { long: |word| word.len() > 9, short: |word| word.len() < 3 };
        output long;
        output short;
    }
}

fn main() {}
