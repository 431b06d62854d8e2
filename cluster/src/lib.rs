//! psdf flows across processes and machines, on timely dataflow.

pub mod config;
#[cfg(unix)]
mod control;
mod dial;
pub mod exit;
mod handshake;
mod line;
pub mod mesh;
pub mod panics;
pub mod restarts;
pub mod seat;
pub mod stop;
#[cfg(unix)]
pub mod supervise;
