//! What things are. Pure: no I/O, no clock, and no import of another room.

mod component;
mod credentials;
mod deployment;
mod event;
mod forge;
mod ids;
mod keeping;
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
pub use event::*;
pub use forge::*;
pub use ids::*;
pub use keeping::*;
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
