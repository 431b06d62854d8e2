use psdf::dataflow;

dataflow! {
    flow Words {
        param seen: u64 = 0;
        input words: String;
        long = words -> filter(|word| { seen += 1; word.len() > 3 });
        output long;
    }
}

fn main() {}
