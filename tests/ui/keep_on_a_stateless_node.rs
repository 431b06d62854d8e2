use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(|word| word.len() > 3) keep 7 days;
        output long;
    }
}

fn main() {}
