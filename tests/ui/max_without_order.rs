use psdf::dataflow;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Size(u64);

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { most: Size = max(|w| Size(w.len() as u64)) } keep forever;
        output sums;
    }
}

fn main() {}
