//! The stages that generated code places: one function for each kind of head.
//!
//! Each function has the edge and the closures together in its signature, in the order in which rustc must
//! learn their types: records first, then state, results, and last what happens to the results.

mod calls;
mod count_window;
mod dedup;
mod early;
mod early_session;
mod emit;
mod hashed;
mod in_flight;
mod join;
mod latest;
mod lookup;
mod map_async;
mod processing;
mod running;
mod session;
mod stateful;
mod stateless;
mod thinned;
mod united;
mod window_join;
mod windows;

pub use count_window::{CountWindows, count_windows};
pub use dedup::dedup;
pub use early::early_windows;
pub use early_session::early_sessions;
pub use emit::Emit;
pub use in_flight::{Form, KeptAsData, Probe, WaitedFor};
pub use join::{FullOuter, Inner, Joining, LeftOuter, Pairing, join};
pub use latest::latest;
pub use lookup::lookup;
pub use map_async::{AsyncCalls, map_async};
pub use processing::processing_windows;
pub use running::{Changes, running};
pub use session::{SessionWindows, sessions};
pub use stateful::{no_timer, stateful};
pub use stateless::stateless;
pub use thinned::{Ticks, thinned};
pub use united::united;
pub use window_join::{session_join, time_window_join};
pub use windows::{TimeWindows, combined_windows, taken_once, time_windows};

/// The results a stage gives before what it has said is sent on, so that a window of a million keys does not
/// become a batch of a million records.
const RESULTS_PER_CALL: usize = 1024;

#[cfg(test)]
mod tests_in_flight;
#[cfg(test)]
mod tests_restore;
