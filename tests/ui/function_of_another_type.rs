use psdf::dataflow;

fn is_long(word: &u64) -> bool { *word > 10 }

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(is_long);
        output long;
    }
}

fn main() {}
