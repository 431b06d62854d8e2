//! [docs/language.md]: crate::language
//! [docs/operators.md]: crate::operators
//! [docs/errors.md]: crate::errors
//! [`examples/embed.rs`]: https://github.com/psdf/psdf/blob/HEAD/examples/embed.rs
//! [`examples/nexmark`]: https://github.com/psdf/psdf/blob/HEAD/examples/nexmark
//! [ARCHITECTURE.md]: https://github.com/psdf/psdf/blob/HEAD/ARCHITECTURE.md
//! [CONTRIBUTING.md]: https://github.com/psdf/psdf/blob/HEAD/CONTRIBUTING.md
//! [LICENSE-MIT]: https://github.com/psdf/psdf/blob/HEAD/LICENSE-MIT
//! [LICENSE-APACHE]: https://github.com/psdf/psdf/blob/HEAD/LICENSE-APACHE
//!
#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub use psdf_macros::Row;
pub use psdf_runtime::aggregate::Aggregate;
pub use psdf_runtime::connect::{self, Sink, Source};
pub use psdf_runtime::embedded::{
    AnyOutput, Builder, Delivery, Dropped, FlowControl, FlowWatch, Guarantee, Inline, Input, NodeCounts,
    Output, RecordNumber, Settings, WrongType,
};
pub use psdf_runtime::error::{FlowError, Refusal, SendError, SinkError, SourceError, StartError};
pub use psdf_runtime::failed::{AsyncError, Failed};
pub use psdf_runtime::flow::Flow;
pub use psdf_runtime::record::{Key, Late, Record, StateData};
pub use psdf_runtime::tables::{
    Change, Changes, Peek, ReadError, Rows, Table, View, ViewStats, WriteBatch, WriteError,
};
pub use psdf_runtime::time::{EventTime, Timestamp, Window};
pub use psdf_runtime::{graph, stages::Emit};

// Of two definitions of a link the first holds: these lead to pages of rustdoc what leads to files in the repository.

/// [operators.md]: crate::operators
/// [errors.md]: crate::errors
/// [P040]: crate::errors#p040
/// [P050]: crate::errors#p050
/// [P061]: crate::errors#p061
/// [P062]: crate::errors#p062
///
#[doc = include_str!("../docs/language.md")]
pub mod language {}

/// [language.md]: crate::language
/// [Time]: crate::language#time
/// [Keys]: crate::language#keys-order-and-shards
/// [state]: crate::language#operators-with-state
/// [calls]: crate::language#calls
/// [Flows inside flows]: crate::language#flows-inside-flows
///
#[doc = include_str!("../docs/operators.md")]
pub mod operators {}

/// [language.md]: crate::language
/// [how]: crate::language#what-is-generated
/// [`tests/ui`]: https://github.com/psdf/psdf/blob/HEAD/tests/ui
///
// Its programs are parts, and some are wrong: they are no tests.
#[cfg_attr(not(doctest), doc = include_str!("../docs/errors.md"))]
pub mod errors {}

/// Sources to attach in a flow's builder: iterators, files of lines, standard input.
pub mod sources {
    pub use psdf_runtime::connect::{IterSource, LineSource, blocking, files, iter, stdin};
}

/// Sinks to attach in a flow's builder.
pub mod sinks {
    pub use psdf_runtime::connect::{FileSink, TransactionalFileSink};
}

/// Where durable flows keep their checkpoints, and what is over a node's budget of memory.
pub mod storage {
    pub use psdf_runtime::checkpoint::savepoint::{SavepointError, export_savepoint, import_savepoint};
    pub use psdf_runtime::checkpoint::storage::{DirStorage, Storage};
    pub use psdf_runtime::state::{DiskTier, MemoryCounts, MemoryTier, PageAt, TierPages, TierStore};
    #[cfg(feature = "tables")]
    pub use psdf_runtime::tables::FjallTables;
    pub use psdf_runtime::tables::{MemoryTables, StoreBatch, TableStore};
}

/// To test flows by simulation: crashes anywhere, and nothing is lost or doubled.
pub mod testing {
    pub use psdf_runtime::checkpoint::storage::{Fate, MemoryStorage};
    pub use psdf_runtime::testing::{
        Point, Rng, Simulated, SimulatedEpoch, Simulation, assert_in_sequence, assert_state_schema,
        assert_sum, simulate,
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
    pub use psdf_runtime::record::{
        GenericJoined, GenericKey, GenericRecord, GenericShared, GenericState, IsKey, IsRecord, IsState,
        Joined, Overlapping, Shared, Written,
    };
    pub use psdf_runtime::row::{
        Field, Fields, HasField, IsCompared, IsRowKey, IsRowValue, IsStoredRow, MeetsKey, MergesRows,
    };
    pub use psdf_runtime::tables::{RowKey, RowValue, StoredRow};
    pub use psdf_runtime::time::EventTime;
}

/// What generated code names. Not for direct use: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use psdf_macros::dataflow;
    pub use psdf_runtime::*;
}

/// Declares flows, in the [language of flows](crate::language).
#[macro_export]
macro_rules! dataflow {
    ($($tokens:tt)*) => {
        $crate::__private::dataflow! { [$crate] $($tokens)* }
    };
}
