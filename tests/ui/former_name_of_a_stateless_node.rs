use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        #[formerly(lengthy)]
        long = words -> filter(|word| word.len() > 3);
        output long;
    }
}

fn main() {}
