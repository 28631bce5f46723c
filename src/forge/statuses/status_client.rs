//! What the sending loop sees of a project's forge.

use super::{Failed, PostError};
use crate::model::CommitStatus;

/// Sends statuses of one repository. Dropping the future of [`StatusClient::send`] gives the call up.
#[async_trait::async_trait]
pub trait StatusClient: Send + Sync {
    /// Sends one status; `Ok` when the forge shows it. Sending the same again is harmless. One call at a time for a
    /// commit: the forges keep no order among calls that overlap.
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed>;

    /// Whether the forge shows this status, and nothing newer, under its commit and context.
    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError>;

    /// The same as [`StatusClient::send`], for whom it is all the same whether a request may still be served.
    async fn post(&self, status: &CommitStatus) -> Result<(), PostError> {
        self.send(status).await.map_err(|failed| failed.error)
    }

    /// Where it sends to, for logs and people: `statuses of GitHub's octo/shop at api.github.com`.
    fn describe(&self) -> String;
}
