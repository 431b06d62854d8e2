use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output n = words -> filter(|w| w.len() > 3) memory 64 MiB;
    }
}

fn main() {}
