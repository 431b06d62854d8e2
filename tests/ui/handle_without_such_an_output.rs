use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output sizes: usize = words -> map(|word| word.len());
    }
}

fn main() {
    drop(Words.spawn().unwrap().sizez);
}
