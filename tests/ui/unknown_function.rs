use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(is_long);
        output long;
    }
}

fn main() {}
