//! What can go wrong between Launchway and a repository, in the distinctions by which somebody decides: try again,
//! correct the settings, or give up.

use super::RefusedUrl;
use crate::model::Quoted;

/// Each names what was attempted on which URL (never with credentials), why it failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    RefusedUrl(#[from] RefusedUrl),
    #[error(
        "{doing} {url}: the host cannot be reached: {why}. Check that this machine reaches it (name, port, firewall, \
         proxy); it will be tried again"
    )]
    Unreachable { doing: &'static str, url: String, why: String },
    #[error("{doing} {url}: access was refused: {why}")]
    Authentication { doing: &'static str, url: String, why: String },
    #[error("{doing} {url}: the host is not trusted: {why}")]
    HostRefused { doing: &'static str, url: String, why: String },
    #[error(
        "{doing} {url}: there is no such repository, or the token or key may not see it: {why}. Check the project's \
         repository URL and credentials in launchway.toml"
    )]
    NotFound { doing: &'static str, url: String, why: String },
    #[error("{doing} {url} was cancelled")]
    Cancelled { doing: &'static str, url: String },
    #[error("{doing} {url} took too long and was given up")]
    Deadline { doing: &'static str, url: String },
    #[error(
        "{doing} {url}: the repository uses the SHA-256 object format, which libgit2 cannot read. Deploy from a mirror \
         in SHA-1 format (git init --object-format=sha1)"
    )]
    ObjectFormat { doing: &'static str, url: String },
    /// A submodule's commit, which the deployed commit names.
    #[error(
        "fetching the submodule {url}: the commit {commit}, which {} names, is on none of its branches and tags, and is not \
         given by its id ({why}). Push it to a branch or tag there",
        Quoted(.path)
    )]
    MissingModule { url: String, commit: String, path: String, why: String },
    #[error("{doing} {url}: {why}")]
    TooLarge { doing: &'static str, url: String, why: String },
    /// Whoever fetched it ended in the middle, or had not enough memory for it.
    #[error(
        "{doing} {url}: {why}. If it ran out of memory, `limits.fetch-memory` in launchway.toml sets how much it may take"
    )]
    Broke { doing: &'static str, url: String, why: String },
    #[error("{doing} {url}: {why}")]
    Other { doing: &'static str, url: String, why: String },
}

impl FetchError {
    /// Whether what the project signs in with was not good enough, as far as the host lets that be seen: to whoever may not
    /// see a private repository most say that there is none.
    pub fn is_refusal(&self) -> bool {
        matches!(self, FetchError::Authentication { .. } | FetchError::NotFound { .. } | FetchError::HostRefused { .. })
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(
            self,
            FetchError::Unreachable { .. }
                | FetchError::Deadline { .. }
                | FetchError::Broke { .. }
                | FetchError::Other { .. }
        )
    }
}

/// Reading what a mirror already holds.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error(
        "commit {commit} is not in the mirror of {project}: it was never on a fetched branch or tag, or was removed"
    )]
    UnknownCommit { project: String, commit: String },
    #[error("reading the mirror of {project} at {path}: {why}")]
    Read { project: String, path: String, why: String },
}
