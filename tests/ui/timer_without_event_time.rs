use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        ends = words -> key_by(word: String = |w| w.clone()) -> stateful(String) {
            state { n: u64 = 0 }
            keep forever;
            |state, word, out| { state.n += 1; out.emit(word) }
            on timer |state, at, out| out.emit(format!("{at}: {}", state.n))
        };
        output ends;
    }
}

fn main() {}
