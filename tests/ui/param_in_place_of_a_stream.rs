use psdf::dataflow;

dataflow! {
    flow Words {
        param least: usize = 3;
        input words: String;
        output long = least -> filter(|word| word.len() > 3);
    }
}

fn main() {}
