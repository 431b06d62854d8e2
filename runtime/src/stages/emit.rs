//! What the closure of a `stateful` node has besides its state and its record.

use crate::record::Stamp;
use crate::time::Timestamp;

/// The way out of a `stateful` closure, and what it may ask: `|state, record, out|`.
///
/// `K` is the key, `O` what is emitted; `A` is [`Timestamp`] where the stream has event time, else `()`.
#[derive(Debug)]
pub struct Emit<'a, K, A, O> {
    pub(super) key: &'a K,
    pub(super) at: A,
    pub(super) watermark: Timestamp,
    pub(super) emitted: &'a mut Vec<O>,
    pub(super) timers: &'a mut Vec<Timestamp>,
}

impl<K, A: Stamp, O> Emit<'_, K, A, O> {
    /// Sends a record on, with the event time of the record (or timer) at hand.
    pub fn emit(&mut self, record: O) {
        self.emitted.push(record);
    }

    /// The key that the state belongs to.
    pub fn key(&self) -> &K {
        self.key
    }
}

impl<K, O> Emit<'_, K, Timestamp, O> {
    /// The event time of the record, or of the timer.
    pub fn time(&self) -> Timestamp {
        self.at
    }

    /// The node's watermark: no record before it is to be expected.
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Asks for `on timer` to be called for this key once the watermark has reached `at`.
    ///
    /// A time that is already set is set once. One that has passed is due when the watermark next moves. While a
    /// timer is set its key is kept, whatever `keep` says. At the end of the input every timer fires; those that are
    /// set by then do not.
    pub fn set_timer(&mut self, at: Timestamp) {
        self.timers.push(at);
    }
}
