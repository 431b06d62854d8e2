use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        longest = words -> map(|w| w.len()) -> key_by(all: () = |_| ()) -> top(10, by |n| *n) keep forever;
        output longest;
    }
}

fn main() {}
