use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { least: usize = min(|w| w.len(), where |w| w.len() > 3) } keep forever;
        output sums;
    }
}

fn main() {}
