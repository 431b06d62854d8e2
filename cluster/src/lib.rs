//! The cluster host of psdf: a flow as operators of timely dataflow, on several workers.
//!
//! A flow is declared as ever, with `dataflow!`; nothing of the declaration changes. What runs it here is a process that
//! is there for nothing else: see [`Job`].

#![deny(missing_docs)]

mod dataflow;
mod job;
mod operator;
mod pace;
mod wake;

pub use job::{ClusterError, Job};
