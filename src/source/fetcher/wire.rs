//! What the server and a process that fetches say to each other.

use crate::model::{CommitId, RefName};
use crate::source::FetchError;
use crate::source::bring::{Fetched, Remote, WantedRefs};
use crate::source::connection::Progress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a process is sent for.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct Errand {
    /// Memory that it may take, in bytes.
    pub most_memory: u64,
    pub what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) enum What {
    /// Bring refs into a mirror.
    Fetch {
        mirror: PathBuf,
        remote: Remote,
        refs: WantedRefs,
        /// So many bytes it may receive.
        most_bytes: u64,
    },
    /// Where a remote's branches and tags are.
    Tips { remote: Remote },
    /// Write all that a mirror's refs reach into a new repository.
    WriteAnew { mirror: PathBuf, to: PathBuf },
}

/// What it says, the end last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    Progress(Progress),
    /// Refs of the remote whose names are not UTF-8, escaped.
    Ignored(Vec<String>),
    Ended(Result<Brought, Failure>),
}

/// What it comes back with.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) enum Brought {
    Fetched(Fetched),
    Tips(BTreeMap<RefName, CommitId>),
    WrittenAnew,
}

/// A [`FetchError`] without what its asker knows: what was done, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    Unreachable(String),
    Authentication(String),
    HostRefused(String),
    NotFound(String),
    Cancelled,
    Deadline,
    ObjectFormat,
    TooLarge(String),
    Broke(String),
    Other(String),
}

impl Failure {
    /// As its asker says it.
    pub fn of(self, doing: &'static str, url: &str) -> FetchError {
        let url = url.to_string();
        match self {
            Failure::Unreachable(why) => FetchError::Unreachable { doing, url, why },
            Failure::Authentication(why) => FetchError::Authentication { doing, url, why },
            Failure::HostRefused(why) => FetchError::HostRefused { doing, url, why },
            Failure::NotFound(why) => FetchError::NotFound { doing, url, why },
            Failure::Cancelled => FetchError::Cancelled { doing, url },
            Failure::Deadline => FetchError::Deadline { doing, url },
            Failure::ObjectFormat => FetchError::ObjectFormat { doing, url },
            Failure::TooLarge(why) => FetchError::TooLarge { doing, url, why },
            Failure::Broke(why) => FetchError::Broke { doing, url, why },
            Failure::Other(why) => FetchError::Other { doing, url, why },
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Unreachable { why, .. } => Failure::Unreachable(why),
            FetchError::Authentication { why, .. } => Failure::Authentication(why),
            FetchError::HostRefused { why, .. } => Failure::HostRefused(why),
            FetchError::NotFound { why, .. } => Failure::NotFound(why),
            FetchError::Cancelled { .. } => Failure::Cancelled,
            FetchError::Deadline { .. } => Failure::Deadline,
            FetchError::ObjectFormat { .. } => Failure::ObjectFormat,
            FetchError::TooLarge { why, .. } => Failure::TooLarge(why),
            FetchError::Broke { why, .. } => Failure::Broke(why),
            FetchError::Other { why, .. } => Failure::Other(why),
            // Neither comes of an errand.
            error @ (FetchError::RefusedUrl(_) | FetchError::MissingModule { .. }) => Failure::Other(error.to_string()),
        }
    }
}
