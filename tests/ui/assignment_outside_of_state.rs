use psdf::dataflow;

dataflow! {
    flow Words {
        param total: u64 = 0;
        input words: String;
        changes = words -> key_by(len: usize = |word| word.len()) -> stateful(String) {
            state { n: u64 = 0 }
            keep forever;
            |state, word, out| { state.n += 1; total += 1; out.emit(word) }
        };
        output changes;
    }
}

fn main() {}
