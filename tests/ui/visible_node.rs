use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        pub long = words -> filter(|word| word.len() > 3);
        output long;
    }
}

fn main() {}
