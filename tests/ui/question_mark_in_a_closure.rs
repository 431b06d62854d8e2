use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output sizes: u64 = words -> map(|word| word.parse::<u64>()?);
    }
}

fn main() {}
