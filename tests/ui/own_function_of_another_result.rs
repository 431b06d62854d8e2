use psdf::dataflow;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Longest(u64);

impl psdf::Aggregate for Longest {
    type Input = u64;
    type Output = u64;
    fn add(&mut self, length: u64, _: psdf::Timestamp) { self.0 = self.0.max(length) }
    fn merge(&mut self, other: Self) { self.0 = self.0.max(other.0) }
    fn finish(self) -> u64 { self.0 }
}

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { most: u32 = Longest(|w| w.len() as u64) } keep forever;
        output sums;
    }
}

fn main() {}
