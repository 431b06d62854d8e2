use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        changes = words -> stateful(String) {
            state { last: String = String::new() }
            keep forever;
            |state, word, out| out.emit(std::mem::replace(&mut state.last, word))
        };
        output changes;
    }
}

fn main() {}
