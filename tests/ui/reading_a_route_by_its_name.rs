use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        kinds = words -> route { long: |word| word.len() > 9 } else short;
        output long;
        output short;
        output kinds;
    }
}

fn main() {}
