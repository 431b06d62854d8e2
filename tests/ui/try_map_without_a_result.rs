use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        numbers = words -> try_map(|word| word.len()) else failed;
        output numbers;
        output failed;
    }
}

fn main() {}
