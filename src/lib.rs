#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub use psdf_runtime::aggregate::Aggregate;
pub use psdf_runtime::connect::{self, Sink, Source};
pub use psdf_runtime::embedded::{
    AnyOutput, Builder, Delivery, Dropped, FlowControl, FlowWatch, Guarantee, Inline, Input, NodeCounts, Number,
    Output, Settings, WrongType,
};
pub use psdf_runtime::error::{FlowError, Refusal, SendError, SinkError, SourceError, StartError};
pub use psdf_runtime::failed::{AsyncError, Failed};
pub use psdf_runtime::flow::Flow;
pub use psdf_runtime::record::{Key, Late, Record, StateData};
pub use psdf_runtime::time::{EventTime, Timestamp, Window};
pub use psdf_runtime::{graph, stages::Emit};

#[doc = include_str!("../docs/operators.md")]
pub mod operators {}

/// Sources to attach in a flow's builder: iterators, files of lines, standard input.
pub mod sources {
    pub use psdf_runtime::connect::{IterSource, LineSource, blocking, files, iter, stdin};
}

/// Sinks to attach in a flow's builder.
pub mod sinks {
    pub use psdf_runtime::connect::{FileSink, TransactionalFileSink};
}

/// Where durable flows keep their checkpoints.
pub mod storage {
    pub use psdf_runtime::checkpoint::storage::{DirStorage, Storage};
}

/// To test flows by simulation: crashes anywhere, and nothing is lost or doubled.
pub mod testing {
    pub use psdf_runtime::checkpoint::storage::{Fate, MemoryStorage};
    pub use psdf_runtime::testing::{
        EpochOutcome, Outcome, Rng, Simulation, assert_in_sequence, assert_sum, simulate,
    };
}

/// What a flow asks of your types.
///
/// rustc names one of these traits when a type of yours falls short of what a node needs. There is nothing to
/// implement: each is there for every type that can do what it asks for.
pub mod requirements {
    pub use psdf_runtime::aggregate::{
        Averaged, Compared, Counted, MeanInput as Number, OwnFunction, Rank, ResultOf, Summed,
    };
    pub use psdf_runtime::asked::{Answer, GivenBack, Later, Moved, TriedAgain};
    pub use psdf_runtime::flow::{Defaults, Fills, Param};
    pub use psdf_runtime::host::{AnyEdge, Edge, Leaves, Merges};
    pub use psdf_runtime::ops::{Distinguished, Failure, GivenTo, Outcome, Several};
    pub use psdf_runtime::record::{Joined, Key, Overlapping, Record, Shared, StateData, Travels, Written};
    pub use psdf_runtime::time::EventTime;
}

/// What generated code names. Not for direct use: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use psdf_macros::dataflow;
    pub use psdf_runtime::*;
}

/// Declares flows: see the [crate's documentation](crate) for the language.
#[macro_export]
macro_rules! dataflow {
    ($($tokens:tt)*) => {
        $crate::__private::dataflow! { [$crate] $($tokens)* }
    };
}

/// The examples of the language reference, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/language.md")]
pub struct LanguageDocs;
