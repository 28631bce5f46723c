//! What to do: changes, order, method, steps. Pure: time, randomness and facts come in as arguments.

pub mod admission;
pub mod changes;
mod clash;
pub mod container;
pub mod converge;
pub mod deaths;
pub mod definition;
mod draft;
pub mod drift;
pub mod fingerprint;
pub mod mending;
pub mod method;
pub mod neighbours;
pub mod order;
pub mod paths;
mod readiness;
pub mod routing;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod simulation;
mod slots;
pub mod standing;
mod step;
pub mod verdict;

pub use step::*;
