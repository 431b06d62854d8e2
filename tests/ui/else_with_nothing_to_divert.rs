use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(|word| word.len() > 3) else short;
        output long;
        output short;
    }
}

fn main() {}
