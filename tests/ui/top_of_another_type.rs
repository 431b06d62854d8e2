use psdf::dataflow;

dataflow! {
    flow Words {
        input words: (String, u64);
        best = words -> key_by(all: () = |_| ()) -> aggregate { best: Vec<String> = top(3, by |w| w.1) } keep forever;
        output best;
    }
}

fn main() {}
