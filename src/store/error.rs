//! What can go wrong with the store.

use std::path::PathBuf;

/// Why the store could not be opened, read or written; a sentence for whoever runs the server.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store {0} was written by a newer Launchway. Start that version, or restore the copy that was made before its first start."
    )]
    Newer(PathBuf),
    #[error("the store {path} cannot be opened: {why}")]
    Open { path: PathBuf, why: String },
    #[error("{0} is there already, and a backup overwrites nothing: name another file")]
    BackupThere(PathBuf),
    #[error("{path} cannot be written: {why}")]
    BackupFile { path: PathBuf, why: String },
    #[error("{0} is a folder: name a file in it to back up to")]
    BackupFolder(PathBuf),
    #[error("the store could not {attempted}: {source}")]
    Query { attempted: &'static str, source: sqlx::Error },
    #[error("the store holds something that is not understood: {0}")]
    Content(String),
    #[error("the store is closed")]
    Closed,
}

/// What a query that failed was for: `attempted` continues "the store could not".
pub(super) fn query(attempted: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Query { attempted, source }
}
