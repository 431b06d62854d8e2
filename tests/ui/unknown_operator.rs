use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> fliter(|word| word.len() > 3);
        output long;
    }
}

fn main() {}
