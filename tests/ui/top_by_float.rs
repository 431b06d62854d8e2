use psdf::dataflow;

dataflow! {
    flow Words {
        input words: (String, f64);
        best = words -> key_by(all: () = |_| ()) -> aggregate { best: Vec<(String, f64)> = top(3, by |w| w.1) } keep forever;
        output best;
    }
}

fn main() {}
