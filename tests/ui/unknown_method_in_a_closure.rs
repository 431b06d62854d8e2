use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        loud = words -> map(|word| word.shout());
        output loud;
    }
}

fn main() {}
