use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        changes = words -> key_by(len: usize = |word| word.len()) -> stateful(String) {
            state { last: String = String::new() }
            |state, word, out| out.emit(std::mem::replace(&mut state.last, word))
        };
        output changes;
    }
}

fn main() {}
