use psdf::dataflow;

dataflow! {
    flow Words {
        param scale: u64 = 2;
        input words: String;
        counts = words -> key_by(word: String = |word| word.clone()) -> stateful(u64) {
            state { #[migrate(from = u32, |n| n.to_string())] n: u64 = 0 }
            keep forever;
            |state, _, out| { state.n += scale; out.emit(state.n) }
        };
        output counts: u64;
    }
}

fn main() {}
