//! What things are. Pure: no I/O, no clock, and no import of another room.

mod component;
mod credentials;
mod deployment;
mod edge_settings;
mod event;
mod forge;
mod ids;
mod mount;
mod observed;
mod permissions;
mod place;
mod release;
mod routing;
mod secret;
mod settings;
mod stack;
mod status;
mod tree;

pub use component::*;
pub use credentials::*;
pub use deployment::*;
pub use edge_settings::*;
pub use event::*;
pub use forge::*;
pub use ids::*;
pub use mount::*;
pub use observed::*;
pub use permissions::*;
pub use place::*;
pub use release::*;
pub use routing::*;
pub use secret::*;
pub use settings::*;
pub use stack::*;
pub use status::*;
pub use tree::*;
