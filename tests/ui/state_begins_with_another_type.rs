use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        loud = words
            -> key_by(all: () = |_| ())
            -> stateful(String) {
                state { n: u64 = "none" } keep forever;
                |state, word, out| {
                    state.n += 1;
                    out.emit(word);
                }
            };
        output loud;
    }
}

fn main() {}
