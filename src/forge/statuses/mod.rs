//! Statuses out: a client for each kind of forge. One call sends one status; when to call again is the outbox's matter
//! (`report::outbox`), told by [`PostError`].

mod answer;
mod client;
mod failed;
mod gitea;
mod github;
mod gitlab;
mod http;
mod known_hosts;
mod left_lock;
mod limits;
mod notes;
mod notes_remote;
mod notes_tree;
mod pace;
mod words;

pub use crate::model::PostError;
pub use client::{StatusClient, StatusClients, StatusTarget, client};
pub use failed::Failed;
pub use notes::{NOTES_REF, NotesClient};
