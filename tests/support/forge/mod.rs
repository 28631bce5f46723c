//! A forge that keeps the statuses it was told and refuses what the real one refuses, over real HTTP on 127.0.0.1.

mod description;
mod fault;
mod gitea;
mod github;
mod gitlab;
mod server;

pub use fault::Fault;
pub use server::{FakeForge, Kept, TOKEN};
