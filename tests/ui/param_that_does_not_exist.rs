use psdf::dataflow;

dataflow! {
    flow Words {
        param least: usize = 3;
        input words: String;
        output long = words -> filter(|word| word.len() > leest);
    }
}

fn main() {}
