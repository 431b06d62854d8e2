use psdf::dataflow;

#[derive(Clone)]
pub struct Word(String);

dataflow! {
    flow Words {
        input words: String;
        firsts = words -> key_by(all: () = |_| ()) -> aggregate { first: Word = first(|w| Word(w.clone())) } keep forever;
        output firsts;
    }
}

fn main() {}
