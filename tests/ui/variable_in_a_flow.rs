use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        let mut seen = 0;
        output long = words -> filter(|word| word.len() > 3);
    }
}

fn main() {}
