//! What to do: changes, order, method, steps. Pure: time, randomness and facts come in as arguments.

pub mod admission;
pub mod attached;
mod calls;
pub mod changes;
mod clash;
pub mod container;
pub mod converge;
pub mod deaths;
pub mod definition;
mod draft;
pub mod drift;
pub mod durations;
mod edge_network;
pub mod estimate;
pub mod externals;
pub mod fingerprint;
pub mod fronts;
mod further_calls;
mod goal;
pub mod going_back;
pub mod grants;
mod host_paths;
pub mod hosts;
pub mod insights;
pub mod looking_back;
pub mod mending;
pub mod method;
pub mod neighbours;
pub mod networks;
pub mod order;
pub mod paths;
mod reach;
mod readiness;
mod relations;
pub mod retention;
pub mod routing;
#[cfg(test)]
mod sample;
pub mod schedule;
pub mod shared_names;
pub mod shares;
mod side_by_side;
#[cfg(test)]
pub(crate) mod simulation;
mod slots;
pub mod standing;
mod step;
pub mod storage;
pub mod taking_over;
#[cfg(test)]
mod tests;
pub mod timing;
pub mod turns;
pub mod unnamed;
pub mod verdict;
mod work_kinds;

pub use goal::{Goal, Wanted};
pub use reach::{Leader, Miss, Reach, ReachedPort, listens_instead};
pub use step::*;
