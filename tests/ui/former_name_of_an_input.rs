use psdf::dataflow;

dataflow! {
    flow Words {
        #[formerly(lines)]
        input words: String;
        long = words -> filter(|word| word.len() > 3);
        output long;
    }
}

fn main() {}
