//! What a panic does to a process of a cluster.
//!
//! A process that has lost another unwinds in every thread of timely, and destructors that panic while they unwind abort
//! it. So the first panic that nobody contains ends the process at once, with one line.

use crate::exit;
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

/// So begins what timely panics with when a connection breaks; they promise to keep it.
const LOST: &str = "timely communication error";

thread_local! {
    static CONTAINED: Cell<usize> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was contained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// What it said.
    pub message: String,
    /// Where it was, as `file:line:column`, if that is known.
    pub place: Option<String>,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "a panic at {place}: {}", self.message),
            None => write!(f, "a panic: {}", self.message),
        }
    }
}

impl std::error::Error for Panicked {}

/// From now on a panic ends the process with [`exit::AGAIN`], unless it is [`contained`]. `index` says which process it is.
pub fn end_the_process(index: usize) {
    std::panic::set_hook(Box::new(move |info| {
        if CONTAINED.get() > 0 {
            PLACE.set(info.location().map(ToString::to_string));
            return;
        }
        tell(index, info);
        std::process::exit(i32::from(exit::AGAIN));
    }));
}

/// On stderr and not as an event: what takes events may be what panicked.
fn tell(index: usize, info: &PanicHookInfo<'_>) {
    let message = message(info.payload());
    let mut line = match message.strip_prefix(LOST) {
        Some(why) => format!("psdf: process {index} ends: it has lost another process{why}\n"),
        None => {
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or("without a name");
            let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
            format!("psdf: process {index} ends: thread `{thread}` panicked{place}: {message}\n")
        }
    };
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        line += &backtrace.to_string();
    }
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Runs a user's code, whose panic is an error and not the end of the process.
///
/// # Errors
/// If it panics.
pub fn contained<R>(code: impl FnOnce() -> R) -> Result<R, Panicked> {
    CONTAINED.set(CONTAINED.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(code));
    CONTAINED.set(CONTAINED.get() - 1);
    result.map_err(|payload| Panicked { message: message(payload.as_ref()), place: PLACE.take() })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contained_panic_is_an_error_with_its_message() {
        assert_eq!(contained(|| 7), Ok(7));
        let error = contained(|| panic!("no {}", 7)).unwrap_err();
        assert_eq!(error.message, "no 7");
        let inner = contained(|| contained(|| panic!("inside")).is_err());
        assert_eq!(inner, Ok(true));
        assert_eq!(CONTAINED.get(), 0);
    }
}
