use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        longest = words -> key_by(all: () = |_| ()) -> aggregate { words: Vec<String> = top(3) } keep forever;
        output longest;
    }
}

fn main() {}
