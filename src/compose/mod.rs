//! The Compose file and `x-launchway` become components, every error with its place. Pure but for the given tree.
//!
//! A file goes this way: [`yaml`] (nodes with lines) -> [`interpolate`] -> [`canonical`] (long forms) -> [`extends`],
//! [`include`], [`merge`] -> [`service`] and its neighbours, which read each key once, in its long form only.
//! What Compose accepts is read equally or refused with a reason; what Compose refuses is refused.

mod canonical;
mod circles;
mod command_line;
pub mod dockerfile;
mod dotenv;
mod extends;
mod fallback;
mod files;
mod find;
mod host_paths;
mod include;
mod interpolate;
mod launchway;
mod load;
mod merge;
mod mount_options;
mod names;
mod network_driver;
mod networks;
mod origins;
mod port_spec;
mod problems;
mod read;
mod scalar;
mod seen;
mod service;
mod shape;
mod shared_images;
mod spent;
mod suggest;
mod sums;
mod texts;
mod timing;
mod units;
mod view;
mod volume_driver;
mod volume_spec;
mod volumes;
mod yaml;

pub use dotenv::{Dotenv, DotenvError, read_env_file};
pub use origins::{has_own_frontend, refused_remote};
pub use read::{ReadRequest, Reading, read};
pub use suggest::closest;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod memory_tree;
#[cfg(test)]
pub(crate) mod tests;
