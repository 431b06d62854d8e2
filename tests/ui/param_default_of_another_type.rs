use psdf::dataflow;

dataflow! {
    flow Words {
        param least: usize = "ten";
        input words: String;
        long = words -> filter(|word| word.len() > least);
        output long;
    }
}

fn main() {}
