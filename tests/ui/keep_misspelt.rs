use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output out = words -> key_by(word: String = |w| w.clone()) -> stateful(String) {
            state { n: u64 = 0 }
            kep 7 days;
            |state, word, out| out.emit(word)
        };
    }
}

fn main() {}
