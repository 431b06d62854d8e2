use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        fn size(word: &str) -> usize { word.len() }
        output long = words;
    }
}

fn main() {}
