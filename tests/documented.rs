//! A crate that demands docs of every public item, and has flows: what is generated is documented or exempt.
//!
//! It has no test harness, because rustc asks for no docs where there is one.

#![deny(missing_docs)]
#![deny(warnings)]

use psdf::dataflow;

dataflow! {
    /// Counts words.
    pub flow Documented {
        /// How much each counts.
        param weight: u64 = 1;
        /// Words.
        input words: String;
        /// How often each word was there.
        counts = words -> key_by(word: String = |w| w.clone()) -> aggregate {
            /// How often.
            n: u64 = sum(|_| weight),
        } keep forever;
        /// What came before each word.
        output before = words
            -> key_by(all: () = |_| ())
            -> stateful(String) {
                state {
                    /// The one before.
                    last: String = String::new()
                }
                keep forever;
                |state, word, out| out.emit(std::mem::replace(&mut state.last, word))
            };
        output counts;
    }

    pub flow WithoutDocs {
        param weight: u64 = 1;
        input words: String;
        output counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = sum(|_| weight) } keep forever;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (documented, mut hand) = Documented::default().builder().inline()?;
    documented.words.try_send("a".to_string())?;
    let unread = hand.block_on(documented.finish())?;
    assert_eq!((unread.counts[0].n, unread.before.as_slice()), (1, [String::new()].as_slice()));
    let (plain, mut hand) = WithoutDocs { weight: 2 }.builder().inline()?;
    plain.words.try_send("a".to_string())?;
    assert_eq!(hand.block_on(plain.finish())?.counts[0].n, 2);
    Ok(())
}
