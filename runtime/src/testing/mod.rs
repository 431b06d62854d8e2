//! To test flows: a simulation that crashes them anywhere and checks that nothing is lost or doubled.

mod ports;
mod rng;
mod simulate;

pub use rng::Rng;
pub use simulate::{Outcome, Simulation, simulate};
