use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output out = words -> key_by(word: String = |w| w.clone()) -> stateful(String) {
            state { n: u64 = 0 }
            keep forever;
            on timer |state, at, out| {}
            |state, word, out| out.emit(word)
        };
    }
}

fn main() {}
