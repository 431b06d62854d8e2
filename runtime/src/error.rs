//! What can go wrong while a flow runs, and what to do about it.

use crate::panic::NodeId;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An error of the user's, on its way from a node to the flow.
#[derive(Debug)]
pub(crate) struct NodeError {
    pub(crate) node: NodeId,
    pub(crate) error: Box<dyn Error + Send + Sync>,
}

/// Why a flow ended before its inputs did. Every handle of the flow reports the same one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FlowError {
    /// A closure of a node panicked. What was in flight and what the flow held is gone.
    Panicked {
        /// The flow.
        flow: &'static str,
        /// The node whose closure it was, or the stage where it was none's.
        node: &'static str,
        /// What the panic said.
        message: String,
    },
    /// A record failed at a node that says `else fail`.
    Failed {
        /// The flow.
        flow: &'static str,
        /// The node.
        node: &'static str,
        /// What the node's closure answered.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// A source could not go on.
    Source {
        /// The flow.
        flow: &'static str,
        /// The input it feeds.
        input: &'static str,
        /// Why.
        error: SourceError,
    },
    /// A sink could not go on.
    Sink {
        /// The flow.
        flow: &'static str,
        /// The output it takes.
        output: &'static str,
        /// Why.
        error: SinkError,
    },
    /// What the flow knows could not be stored. It stands as of the last epoch that was committed.
    Checkpoint {
        /// The flow.
        flow: &'static str,
        /// Why.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// The store of what is over a node's budget of memory failed for longer than the flow has patience: its disk is full,
    /// or broken. The flow stands as of the last epoch that was committed.
    Memory {
        /// The flow.
        flow: &'static str,
        /// The node.
        node: &'static str,
        /// Why.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// Records could not cross the network: the `Serialize` of one said no, or what came was not what had been sent.
    Network {
        /// The flow.
        flow: &'static str,
        /// The node whose records they are.
        from: &'static str,
        /// The node that they go to.
        to: &'static str,
        /// Why.
        error: String,
    },
    /// The flow was stopped before it had drained: its handle was dropped, or a deadline passed.
    Stopped {
        /// The flow.
        flow: &'static str,
    },
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowError::Panicked { flow, node, message } => {
                write!(f, "flow `{flow}` ended: the closure of node `{node}` panicked: {message}")
            }
            FlowError::Failed { flow, node, error } => {
                write!(
                    f,
                    "flow `{flow}` ended: a record failed at node `{node}`, which says `else fail`: {error}"
                )
            }
            FlowError::Source { flow, input, error } => {
                write!(f, "flow `{flow}` ended: the source of input `{input}` could not go on: {error}")
            }
            FlowError::Sink { flow, output, error } => {
                write!(f, "flow `{flow}` ended: the sink of output `{output}` could not go on: {error}")
            }
            FlowError::Checkpoint { flow, error } => {
                write!(
                    f,
                    "flow `{flow}` ended because its checkpoint could not be stored; it can be started again from the \
                     last one: {error}"
                )
            }
            FlowError::Memory { flow, node, error } => {
                write!(
                    f,
                    "flow `{flow}` ended because what does not fit into the memory of node `{node}` could not be put on \
                     disk or read back; it can be started again from its last checkpoint, with more room on the disk or \
                     a larger `memory`: {error}"
                )
            }
            FlowError::Network { flow, from, to, error } => {
                write!(
                    f,
                    "flow `{flow}` ended: the records that go from `{from}` to `{to}` could not cross the network: {error}"
                )
            }
            FlowError::Stopped { flow } => {
                write!(
                    f,
                    "flow `{flow}` was stopped before it had drained; `finish` its handle to let it drain"
                )
            }
        }
    }
}

impl Error for FlowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FlowError::Panicked { .. } | FlowError::Network { .. } | FlowError::Stopped { .. } => None,
            FlowError::Failed { error, .. }
            | FlowError::Checkpoint { error, .. }
            | FlowError::Memory { error, .. } => Some(error.as_ref()),
            FlowError::Source { error, .. } => Some(error),
            FlowError::Sink { error, .. } => Some(error),
        }
    }
}

/// Why a flow could not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// `spawn` was called where no tokio runtime runs.
    NoRuntime {
        /// The flow.
        flow: &'static str,
    },
    /// The tokio runtime was built without its timer.
    NoTimer {
        /// The flow.
        flow: &'static str,
    },
    /// A setting of the builder is out of its bounds.
    Setting {
        /// The flow.
        flow: &'static str,
        /// What is wrong with which.
        what: &'static str,
    },
    /// The store of a durable flow cannot be used: it is damaged, it belongs to another flow, or the state in it is not
    /// that of this version of the flow.
    Store {
        /// The flow.
        flow: &'static str,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A node has a budget of memory, and what is over it has nowhere to go.
    Memory {
        /// The flow.
        flow: &'static str,
        /// The node.
        node: &'static str,
        /// What is missing, and what to do.
        what: String,
    },
    /// The flow's tables cannot be opened, or nothing says where they are.
    Tables {
        /// The flow.
        flow: &'static str,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The flow cannot run on several workers.
    Distributed {
        /// The flow.
        flow: &'static str,
        /// What it lacks, and what to do.
        what: String,
    },
    /// A node cannot run as the params have it: a window of no width, hops that are longer than their windows.
    Node {
        /// The flow.
        flow: &'static str,
        /// The node.
        node: &'static str,
        /// What is wrong, and what would be right.
        what: &'static str,
    },
    /// A flow that had come to its end was started again.
    Finished {
        /// The flow.
        flow: &'static str,
    },
    /// A durable flow has a source that cannot begin again from where it stood.
    NotReplayable {
        /// The flow.
        flow: &'static str,
        /// The input that it feeds.
        input: &'static str,
    },
    /// What the flow evaluates once, before it runs, panicked: the expression of a duration, or one that makes a closure.
    Panicked {
        /// The flow.
        flow: &'static str,
        /// What the panic said.
        message: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoRuntime { flow } => write!(
                f,
                "flow `{flow}` cannot start: there is no tokio runtime here; call `spawn` inside \
                 `#[tokio::main]` or after `Runtime::enter`"
            ),
            StartError::NoTimer { flow } => write!(
                f,
                "flow `{flow}` cannot start: the tokio runtime here has no timer; build it with `enable_time()` or \
                 `enable_all()`"
            ),
            StartError::Setting { flow, what } => write!(f, "flow `{flow}` cannot start: {what}"),
            StartError::Store { flow, what } => {
                write!(f, "flow `{flow}` cannot start from its store: {what}")
            }
            StartError::Memory { flow, node, what } => {
                write!(f, "flow `{flow}` cannot start: node `{node}` has a budget of memory, and {what}")
            }
            StartError::Tables { flow, what } => write!(f, "flow `{flow}` cannot start: {what}"),
            StartError::Distributed { flow, what } => {
                write!(f, "flow `{flow}` cannot start on several workers: {what}")
            }
            StartError::Finished { flow } => write!(
                f,
                "flow `{flow}` has finished: with `finish` its inputs came to their end. Stop a flow that is to go on \
                 with `stop_with_checkpoint` or `shutdown`; to begin anew, give it an empty store"
            ),
            StartError::NotReplayable { flow, input } => write!(
                f,
                "flow `{flow}` cannot be durable: the source of input `{input}` cannot begin again from where it stood; \
                 it must implement `Source::position` and `Source::seek`"
            ),
            StartError::Node { flow, node, what } => {
                write!(f, "flow `{flow}` cannot start: node `{node}`: {what}")
            }
            StartError::Panicked { flow, message } => write!(f, "flow `{flow}` cannot start: {message}"),
        }
    }
}

impl Error for StartError {}

macro_rules! boundary_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Arc<dyn Error + Send + Sync>);

        impl $name {
            /// Wraps what went wrong. Say in it which file, address or record.
            pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
                $name(Arc::from(error.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.0.source()
            }
        }

        impl From<std::io::Error> for $name {
            fn from(error: std::io::Error) -> Self {
                $name::new(error)
            }
        }
    };
}

boundary_error! {
    /// Why a [`Source`](crate::Source) could not go on.
    SourceError
}
boundary_error! {
    /// Why a [`Sink`](crate::Sink) could not go on.
    SinkError
}

/// A record that was not taken, given back with the reason.
#[derive(Clone)]
pub struct SendError<T> {
    /// What was to be sent.
    pub unsent: T,
    /// Why it was not.
    pub reason: Refusal,
}

/// Why an input takes no record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The flow is full: only `try_send` says so, the others wait.
    Full,
    /// The input is closed: the flow is finishing, or a source feeds this input.
    Closed,
    /// The flow has ended with an error.
    Failed(FlowError),
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Refusal::Full => f.write_str("the flow is full; use `send`, which waits, or try again later"),
            Refusal::Closed => {
                f.write_str("the input is closed: the flow is finishing or has a source for it")
            }
            Refusal::Failed(error) => error.fmt(f),
        }
    }
}

/// Without the record, which may have no `Debug` and be large.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> Error for SendError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Refusal::Full | Refusal::Closed => None,
            Refusal::Failed(error) => Some(error),
        }
    }
}
