//! The cluster host of psdf: a flow as operators of timely dataflow, on several workers.
//!
//! A flow is declared as ever, with `dataflow!`; nothing of the declaration changes. What runs it here is a process that
//! is there for nothing else: see [`Job`].

#![deny(missing_docs)]

pub mod config;
mod dataflow;
mod dial;
pub mod handshake;
mod job;
mod line;
pub mod mesh;
mod operator;
mod pace;
pub mod stop;
mod wake;

pub use job::{ClusterError, Job};
