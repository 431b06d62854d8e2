//! The cluster host of psdf: a flow as operators of timely dataflow, on several workers.
//!
//! A flow is declared as ever, with `dataflow!`; nothing of the declaration changes. What runs it here is a process that
//! is there for nothing else: see [`Job`].

#![deny(missing_docs)]

pub mod config;
#[cfg(unix)]
mod control;
mod dataflow;
mod dial;
mod epochs;
mod error;
pub mod exit;
mod handshake;
mod job;
mod line;
pub mod mesh;
#[cfg(feature = "objects")]
pub mod objects;
mod operator;
mod pace;
pub mod panics;
pub mod restarts;
mod run;
pub mod seat;
#[cfg(feature = "s3")]
mod signing;
pub mod stop;
#[cfg(unix)]
pub mod supervise;
mod wake;
pub mod watchdog;

pub use error::ClusterError;
pub use job::Job;
