//! One service of the Compose file becomes one [`Component`](crate::model::Component).

mod build;
mod component;
mod container;
mod dependencies;
mod deploy;
mod environment;
mod health;
mod kernel;
mod labels;
mod logging;
pub mod mounts;
mod namespaces;
mod networks;
mod ports;
mod restart;
pub mod security;
mod services;
mod volumes_from;

pub use component::Context;
pub use container::command;
pub use environment::inside;
pub use labels::labels;
pub use services::Services;
