//! What a delivery says, whatever forge sent it.

use super::mount::is_false;
use super::{CommitId, RefName};
use serde::{Deserialize, Serialize};

/// One webhook delivery, normalised: the only shape that later rooms see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub kind: EventKind,
    /// Full name of the repository on its forge (`owner/name`, `group/sub/name`) and, where sent, its numeric id.
    pub repository: Option<RepositoryRef>,
    /// Who pushed, for people only.
    pub sender: Option<String>,
}

/// A repository as a delivery names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRef {
    pub full_name: String,
    /// The forge's own id, which survives a rename; absent where the payload has none.
    pub id: Option<i64>,
}

/// A repository by the number that its forge gives it, which survives a rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedRepository {
    pub id: i64,
    /// The full name that it had when that was noted; absent where an earlier version of Launchway did so.
    pub name: Option<String>,
}

/// What a delivery tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum EventKind {
    /// A branch moved or was created.
    Push(RefChange),
    /// A tag moved or was created.
    Tag(RefChange),
    /// A branch or tag is gone. Deploys nothing.
    Delete { reference: RefName, before: Option<CommitId> },
    /// The forge tries out the hook.
    Ping,
    /// A proper event that deploys nothing, and why, as a sentence.
    Ignored { reason: String },
}

/// A ref that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    pub reference: RefName,
    /// Absent where the ref is new.
    pub before: Option<CommitId>,
    /// What the ref holds now: the tag object for an annotated tag.
    pub after: CommitId,
    /// The commit that would be deployed. Equal to `after` but for annotated tags, where the forge may say it.
    pub commit: CommitId,
    /// The forge says itself which commit that is. For a tag of which it does not, `commit` may be the tag object.
    #[serde(default, skip_serializing_if = "is_false")]
    pub commit_is_told: bool,
    /// The message of the newest commit as the payload has it; what counts is the one in git.
    pub message: Option<String>,
}

impl RefChange {
    /// The commit, unless only the repository can tell it: of a tag, `after` may be a tag object.
    pub fn known_commit(&self) -> Option<&CommitId> {
        let is_known = self.reference.tag().is_none() || self.commit_is_told || self.commit != self.after;
        is_known.then_some(&self.commit)
    }
}

impl EventKind {
    /// The word for it in tables and JSON: push, tag, delete, ping, ignored.
    pub fn word(&self) -> &'static str {
        match self {
            EventKind::Push(_) => "push",
            EventKind::Tag(_) => "tag",
            EventKind::Delete { .. } => "delete",
            EventKind::Ping => "ping",
            EventKind::Ignored { .. } => "ignored",
        }
    }
    /// The ref change of a push or tag.
    pub fn change(&self) -> Option<&RefChange> {
        match self {
            EventKind::Push(change) | EventKind::Tag(change) => Some(change),
            _ => None,
        }
    }
}
