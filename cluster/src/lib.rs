//! psdf flows across processes and machines, on timely dataflow.

pub mod config;
