use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> map(|word| { let n: u32 = word.len(); n });
        output long;
    }
}

fn main() {}
