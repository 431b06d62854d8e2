use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long: Request = words -> map(|word| word.into());
        output long;
    }
}

fn main() {}
