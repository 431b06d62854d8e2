use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = long -> filter(|word| word.len() > 3);
        output long;
    }
}

fn main() {}
