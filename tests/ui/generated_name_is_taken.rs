use psdf::dataflow;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Length(usize);

dataflow! {
    flow Words {
        input words: String;
        length = words -> key_by(length: Length = |w| Length(w.len())) -> aggregate { n: u64 = count() } keep forever;
        output length;
    }
}

fn main() {}
