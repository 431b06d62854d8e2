//! The columns of each query's results, and their order.

mod bids;
mod joins;
mod tops;
mod windows;
