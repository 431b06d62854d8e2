use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output out = words -> key_by(word: String = |w| w.clone()) -> stateful(String) {
            keep forever;
            |state, word, out| out.emit(word)
        };
    }
}

fn main() {}
