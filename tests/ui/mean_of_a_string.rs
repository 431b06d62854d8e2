use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        means = words -> key_by(all: () = |_| ()) -> aggregate { mean: f64 = mean(|w| w.clone()) } keep forever;
        output means;
    }
}

fn main() {}
