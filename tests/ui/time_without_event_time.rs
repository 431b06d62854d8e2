use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input words: String;
        firsts = words -> key_by(word: String = |w| w.clone()) -> stateful(Timestamp) {
            state { seen: bool = false }
            keep forever;
            |state, word, out| {
                if !std::mem::replace(&mut state.seen, true) { out.emit(out.time()); }
            }
        };
        output firsts;
    }
}

fn main() {}
