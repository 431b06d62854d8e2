//! What `map_async` answers where a call gave no record: the record, the error, and how often it was tried.

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;

/// A record for which `map_async` got no answer: what its `else name` is a stream of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed<T, E> {
    /// The record.
    pub record: T,
    /// What went wrong at the last try.
    pub error: AsyncError<E>,
    /// How often it was tried: once, and as often again as `retry` says.
    pub tries: u32,
}

impl<T, E> Failed<T, E> {
    /// The error that ends the flow: `else fail`.
    #[doc(hidden)]
    pub fn fatal(self, own: impl FnOnce(E) -> Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
        match self.error {
            AsyncError::Failed(error) => own(error),
            AsyncError::TimedOut => AsyncError::<String>::TimedOut.into(),
        }
    }
}

/// Why a call of `map_async` gave no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AsyncError<E> {
    /// The future answered with this error.
    Failed(E),
    /// The future had not answered when the `timeout` was over, and was dropped.
    TimedOut,
}

impl<E: fmt::Display> fmt::Display for AsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsyncError::Failed(error) => error.fmt(f),
            AsyncError::TimedOut => f.write_str("no answer came within the timeout"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for AsyncError<E> {}
