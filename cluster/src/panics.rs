//! What a panic does to a process of a cluster.
//!
//! A process that has lost another unwinds in every thread of timely, and destructors that panic while they unwind abort
//! it. So the first panic on one of those that nobody contains ends the process at once, with one line. Panics on other
//! threads are what they always are: there, tasks of a flow catch those of the user's code.

use crate::exit;
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::sync::OnceLock;

/// So begins what timely panics with when a connection breaks; they promise to keep it.
const LOST: &str = "timely communication error";

/// Which process this one is, once panics end it.
static PROCESS: OnceLock<usize> = OnceLock::new();

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

/// From now on a panic on the main thread or on one of timely's ends the process with [`exit::AGAIN`], unless it is
/// contained. `index` says which process it is.
pub fn end_the_process(index: usize) {
    if PROCESS.set(index).is_err() {
        return;
    }
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if CONTAINED.get() > 0 {
            PLACE.set(info.location().map(ToString::to_string));
            return;
        }
        let thread = std::thread::current();
        if !thread.name().is_some_and(|name| name == "main" || name.starts_with("timely:")) {
            return otherwise(info);
        }
        tell(index, info);
        std::process::exit(i32::from(exit::AGAIN));
    }));
}

fn tell(index: usize, info: &PanicHookInfo<'_>) {
    let message = message(info.payload());
    match message.strip_prefix(LOST) {
        Some(why) => say(index, &format!("it has lost another process{why}")),
        None => {
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or("without a name");
            let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
            say(index, &format!("thread `{thread}` panicked{place}: {message}"));
        }
    }
}

/// On stderr and not as an event: what takes events may be what panicked.
fn say(index: usize, why: &str) {
    let mut line = format!("psdf: process {index} ends: {why}\n");
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

/// Runs tasks of a flow, which catch panics of the user's code by themselves and name its node. One that gets past them
/// ends the process, if it is there for nothing else.
pub(crate) fn caught_inside<R>(code: impl FnOnce() -> R) -> R {
    CONTAINED.set(CONTAINED.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(code));
    CONTAINED.set(CONTAINED.get() - 1);
    match (result, PROCESS.get()) {
        (Ok(result), _) => result,
        (Err(payload), None) => resume_unwind(payload),
        (Err(payload), Some(index)) => {
            say(*index, &format!("a task panicked: {}", message(payload.as_ref())));
            std::process::exit(i32::from(exit::AGAIN))
        }
    }
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
