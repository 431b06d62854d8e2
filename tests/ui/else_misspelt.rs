use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output sizes: u64 = words -> try_map(|word| word.parse::<u64>()) esle skip;
    }
}

fn main() {}
