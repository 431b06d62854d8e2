use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output out = words -> key_by(word: String = |w| w.clone()) -> stateful(String) {
            state { n: u64 = 0 }
            keep forever;
            |state, word, out| { out.emit(word) };
            on timer |state, at, out| {}
        };
    }
}

fn main() {}
