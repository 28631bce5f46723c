//! Statuses out: a client for each kind of forge. One call sends one status; when to call again is the outbox's matter
//! (`report::outbox`), told by [`PostError`].

mod answer;
mod connections;
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
mod status_client;
mod target;
mod words;

pub use crate::model::PostError;
pub(super) use connections::Connections;
pub use failed::Failed;
pub(super) use gitea::GiteaClient;
pub(super) use github::GitHubClient;
pub(super) use gitlab::GitLabClient;
pub use notes::{NOTES_REF, NotesClient};
pub use status_client::StatusClient;
pub(super) use target::ApiPath;
pub use target::StatusTarget;
