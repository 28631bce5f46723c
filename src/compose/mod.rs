//! The Compose file and `x-launchway` become components, every error with its place. Pure but for the given tree.
//!
//! A file goes this way: [`yaml`] (nodes with lines) -> [`interpolate`] -> [`canonical`] (long forms) -> [`extends`],
//! [`include`], [`merge`] -> [`service`] and its neighbours, which read each key once, in its long form only.
//! What Compose accepts is read equally or refused with a reason; what Compose refuses is refused.

mod canonical;
mod command_line;
mod dotenv;
mod extends;
mod fallback;
mod files;
mod find;
mod include;
mod interpolate;
mod launchway;
mod load;
mod merge;
mod networks;
mod port_spec;
mod problems;
mod read;
mod scalar;
mod service;
mod spent;
mod suggest;
mod sums;
mod texts;
mod timing;
mod units;
mod view;
mod volume_spec;
mod volumes;
mod yaml;

pub use read::{ReadRequest, Reading, read};

#[cfg(test)]
mod memory_tree;
#[cfg(test)]
pub(crate) mod tests;
