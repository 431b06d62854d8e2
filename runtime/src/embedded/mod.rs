//! The embedded host: stages as async tasks in this process, bounded channels between them.
//!
//! The tasks need nothing of tokio but its channels, so the same ones run on the user's runtime ([`Builder::spawn`]) and,
//! on one thread with a clock turned by hand, in tests ([`Builder::inline`]).

mod builder;
mod channel;
mod checkpointer;
mod control;
mod damaged;
mod driver;
mod durability;
#[doc(hidden)]
pub mod engine;
mod epochs;
mod executor;
mod explain;
mod explain_tables;
mod gauge;
mod guarantee;
mod host;
mod inline;
mod input;
mod names;
mod output;
mod pause;
mod queue;
mod regions;
mod shared;
mod stage_task;
mod tasks;
mod tiers;

pub use builder::{Builder, FlowParts, Settings};
pub use control::{Dropped, FlowControl, FlowWatch, NodeCounts};
pub(crate) use durability::KeptState;
pub use guarantee::{Delivery, Guarantee};
pub use host::EmbeddedHost;
pub use inline::Inline;
pub(crate) use inline::Stepped;
pub use input::Input;
pub use output::{AnyOutput, Drain, Output, RecordNumber, WrongType, drain};
