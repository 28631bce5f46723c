//! What is reported to the forge.

use super::{CommitId, ProjectName};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The state of a commit status, as all forges know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    Pending,
    Success,
    /// What the commit did wrong.
    Failure,
    /// What Launchway or the host did wrong; also superseded.
    Error,
    /// Somebody cancelled it: `canceled` on GitLab, `warning` on Gitea, `error` on GitHub.
    Cancelled,
}

impl StatusState {
    /// Whether it is the last word on a commit.
    pub fn is_final(self) -> bool {
        self != StatusState::Pending
    }
    /// The word in the store and at GitHub and Gitea.
    pub fn word(self) -> &'static str {
        match self {
            StatusState::Pending => "pending",
            StatusState::Success => "success",
            StatusState::Failure => "failure",
            StatusState::Error => "error",
            StatusState::Cancelled => "cancelled",
        }
    }
}

impl std::str::FromStr for StatusState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Pending, Self::Success, Self::Failure, Self::Error, Self::Cancelled]
            .into_iter()
            .find(|state| state.word() == text)
            .ok_or_else(|| format!("{text:?} is not a status"))
    }
}

/// One commit status, as the outbox keeps it and the forge's client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    pub commit: CommitId,
    /// `launchway/<environment>`, or `launchway/<environment> (<project>)` where projects share a repository.
    pub context: String,
    pub state: StatusState,
    /// One sentence for people; the forge's client cuts it to the forge's limit (GitHub 140 characters, GitLab 255).
    pub description: String,
    /// The deployment's page.
    pub target_url: Option<String>,
    /// The ref that was pushed (`main`), which GitLab uses to pick the pipeline.
    pub reference: Option<String>,
}

/// Why a status did not arrive, and with it what the outbox does next. Each message says what was attempted, what was
/// answered and what to do; none holds a token.
///
/// A status is never lost and never left pending. So a sign-in that fails is no reason to give up: tokens get rotated,
/// rights get restored, repositories get unlocked. Only what can never succeed as it stands is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It passes by itself: the network, a time-out, 5xx, a rate limit, another update in progress. `after` is how long
    /// the forge asked to be left alone.
    #[error("{why}")]
    Retry { after: Option<Duration>, why: String },
    /// Somebody must do something first (the token, its scope, the repository's name), but then it works: retried
    /// slowly, and shown to the operator.
    #[error("{why}")]
    Denied { why: String },
    /// It can never work: the forge does not know the commit, or takes no more statuses for it. Not tried again.
    #[error("{why}")]
    Refused { why: String },
}

impl PostError {
    /// The reason, as a sentence.
    pub fn why(&self) -> &str {
        match self {
            PostError::Retry { why, .. } | PostError::Denied { why } | PostError::Refused { why } => why,
        }
    }
}

/// A status that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Counts up in the order in which statuses were said.
    pub id: i64,
    pub project: ProjectName,
    pub status: CommitStatus,
    /// How often it failed.
    pub attempts: u32,
    pub not_before: jiff::Timestamp,
    /// A call with it is under way.
    pub sending: bool,
}
