use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        a = merge(words, c) -> filter(|word| word.len() > 3);
        b = a -> map(|word: String| word.to_uppercase());
        c = b -> filter(|word| word.len() > 5);
        output a;
    }
}

fn main() {}
