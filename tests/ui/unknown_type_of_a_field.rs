use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { first: Arc<str> = first(|w| w.as_str().into()) } keep forever;
        output counts;
    }
}

fn main() {}
