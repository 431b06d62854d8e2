//! psdf flows across processes and machines, on timely dataflow.

pub mod config;
mod dial;
pub mod handshake;
mod line;
pub mod mesh;
pub mod stop;
