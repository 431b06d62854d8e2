use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        alls = words -> key_by(len: usize = |w| w.len()) -> aggregate { all: u64 = collect(|w| w.clone()) } keep forever;
        output alls;
    }
}

fn main() {}
