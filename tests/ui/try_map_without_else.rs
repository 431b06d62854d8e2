use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        numbers = words -> try_map(|word| word.parse::<u64>());
        output numbers: u64;
    }
}

fn main() {}
