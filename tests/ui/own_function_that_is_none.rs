use psdf::dataflow;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Longest(u64);

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { most: u64 = Longest(|w| w.len() as u64) } keep forever;
        output sums;
    }
}

fn main() {}
