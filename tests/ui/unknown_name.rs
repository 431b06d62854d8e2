use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = wrods -> filter(|word| word.len() > 3);
        short = words -> filter(|word| word.len() <= 3);
        output long;
        output short;
    }
}

fn main() {}
