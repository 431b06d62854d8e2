//! Runs the unit tests that stand in the Nexmark example's own files: Cargo builds examples and does not test them.
#![allow(dead_code, reason = "the example uses what its tests do not")]

#[path = "../examples/nexmark/args.rs"]
mod args;
#[path = "../examples/nexmark/calendar.rs"]
mod calendar;
#[path = "../examples/nexmark/digits.rs"]
mod digits;
