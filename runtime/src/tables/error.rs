//! What can go wrong with tables and views, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a write was not answered with success.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// There is a row with that key: only `insert` says so, `upsert` replaces it. Nothing was written.
    Exists {
        /// The table.
        table: &'static str,
    },
    /// There is no row with that key to `update`. Nothing was written.
    Missing {
        /// The table.
        table: &'static str,
    },
    /// The closure of an `update` gave the row another key. Nothing was written.
    KeyChanged {
        /// The table.
        table: &'static str,
    },
    /// The store failed.
    Store {
        /// The flow.
        flow: &'static str,
        /// Why.
        error: Arc<io::Error>,
        /// Whether the rows are stored nevertheless, as far as the store has said.
        stored: bool,
    },
    /// A closure panicked. Where the rows are `stored`, what the views had in memory was let go, and reads recompute it.
    Panicked {
        /// The flow.
        flow: &'static str,
        /// The node whose closure it was.
        node: &'static str,
        /// What the panic said.
        message: String,
        /// Whether the rows are stored nevertheless.
        stored: bool,
    },
    /// A batch writes to tables of several flows. Nothing was written.
    OtherFlow {
        /// The flow of the first.
        flow: &'static str,
    },
    /// The flow has ended. Whether a write that was under way is stored is not known.
    Stopped {
        /// The flow.
        flow: &'static str,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Exists { table } => {
                write!(f, "table `{table}` has a row with this key; `upsert` replaces it")
            }
            WriteError::Missing { table } => write!(f, "table `{table}` has no row with this key to update"),
            WriteError::KeyChanged { table } => write!(
                f,
                "the closure of `update` gave a row of table `{table}` another key; delete the row and insert the other"
            ),
            WriteError::Store { flow, error, stored } => {
                write!(f, "the store of flow `{flow}` failed; {}: {error}", Stored(*stored))
            }
            WriteError::Panicked { flow, node, message, stored } => {
                write!(
                    f,
                    "the closure of node `{node}` of flow `{flow}` panicked; {}: {message}",
                    Stored(*stored)
                )
            }
            WriteError::OtherFlow { flow } => write!(
                f,
                "the batch writes to tables of flow `{flow}` and of another flow; write a batch for each of them"
            ),
            WriteError::Stopped { flow } => write!(f, "flow `{flow}` has ended"),
        }
    }
}

/// What became of the rows.
struct Stored(bool);

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "the rows are stored" } else { "the rows are not stored" })
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WriteError::Store { error, .. } => Some(error),
            WriteError::Exists { .. }
            | WriteError::Missing { .. }
            | WriteError::KeyChanged { .. }
            | WriteError::Panicked { .. }
            | WriteError::OtherFlow { .. }
            | WriteError::Stopped { .. } => None,
        }
    }
}

/// Why a read was not answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// To answer, more rows of tables had to be read than the view's `max_rows`.
    TooManyRows {
        /// The view.
        view: &'static str,
        /// The bound.
        max_rows: usize,
    },
    /// The answer did not come in time. It is still being made, and a later read may find it in memory.
    Deadline {
        /// The view.
        view: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The store failed.
    Store {
        /// The flow.
        flow: &'static str,
        /// Why.
        error: Arc<io::Error>,
    },
    /// A closure panicked over the rows of this key. Other keys are not touched by it.
    Panicked {
        /// The flow.
        flow: &'static str,
        /// The node whose closure it was.
        node: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The flow has ended.
    Stopped {
        /// The flow.
        flow: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::TooManyRows { view, max_rows } => write!(
                f,
                "view `{view}` would have to read more than {max_rows} rows for this key, which is its `max_rows`"
            ),
            ReadError::Deadline { view, waited } => {
                write!(f, "view `{view}` did not answer within {waited:?}")
            }
            ReadError::Store { flow, error } => write!(f, "the store of flow `{flow}` failed: {error}"),
            ReadError::Panicked { flow, node, message } => {
                write!(f, "the closure of node `{node}` of flow `{flow}` panicked: {message}")
            }
            ReadError::Stopped { flow } => write!(f, "flow `{flow}` has ended"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Store { error, .. } => Some(error),
            ReadError::TooManyRows { .. }
            | ReadError::Deadline { .. }
            | ReadError::Panicked { .. }
            | ReadError::Stopped { .. } => None,
        }
    }
}

/// Why a region cannot start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RegionError {
    /// What a node remembers could not be recomputed: one of its inputs cannot be asked for the rows of one key.
    NoWay {
        /// The flow.
        flow: &'static str,
        /// The node that has to ask.
        node: &'static str,
        /// The node that could not answer.
        input: &'static str,
    },
    /// The store cannot be used.
    Store {
        /// The flow.
        flow: &'static str,
        /// Why.
        error: Arc<io::Error>,
    },
    /// The thread of the region could not be started.
    Thread {
        /// The flow.
        flow: &'static str,
        /// Why.
        error: Arc<io::Error>,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionError::NoWay { flow, node, input } => write!(
                f,
                "flow `{flow}` cannot start: `{node}` needs the rows of `{input}` for one key, and there is no index that \
                 finds them"
            ),
            RegionError::Store { flow, error } => {
                write!(f, "flow `{flow}` cannot start from the store of its tables: {error}")
            }
            RegionError::Thread { flow, error } => {
                write!(f, "flow `{flow}` cannot start the thread of its tables: {error}")
            }
        }
    }
}

impl Error for RegionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RegionError::Store { error, .. } | RegionError::Thread { error, .. } => Some(error),
            RegionError::NoWay { .. } => None,
        }
    }
}

/// Why a node could not answer. A panic is no fault: it unwinds.
#[derive(Debug)]
pub(super) enum PullError {
    /// The store failed, or holds what it should not.
    Store(io::Error),
    /// More rows than the reader allows.
    TooManyRows,
    /// The node cannot be asked that way.
    NoWay,
}

impl From<io::Error> for PullError {
    fn from(error: io::Error) -> Self {
        PullError::Store(error)
    }
}
