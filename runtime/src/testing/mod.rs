//! To test flows: a simulation that crashes them anywhere and checks that nothing is lost or doubled.

mod checks;
mod ports;
mod rng;
mod schema_changes;
mod schema_lock;
mod simulate;

pub use checks::{assert_in_sequence, assert_sum};
pub use ports::Point;
pub use rng::Rng;
pub use schema_lock::assert_state_schema;
pub use simulate::{Simulated, SimulatedEpoch, Simulation, simulate};
