use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input words: (Timestamp, String);
        timed = words -> event_time(|w| w.0, lateness 1 s);
        firsts = timed -> key_by(word: String = |w| w.1.clone()) -> stateful(String) {
            state { seen: u64 = 0 }
            keep 1 day;
            |state, word, out| {
                state.seen += 1;
                out.set_timer(word.0 + std::time::Duration::from_secs(60));
                out.emit(word.1);
            }
        };
        output firsts;
    }
}

fn main() {}
