use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter();
        output long;
    }
}

fn main() {}
