use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        words -> route { long: |word| word.len() > 9 } else short -> map(|word| word.len());
        output long;
        output short;
    }
}

fn main() {}
