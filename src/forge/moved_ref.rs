//! What every forge says of a push, judged by one set of rules.

use super::invalid::InvalidDelivery;
use super::payload::Text;
use crate::model::{CommitId, EventKind, Quoted, RefChange, RefName};

/// A push as a payload tells it, before anything of it is believed.
#[derive(Debug, Default)]
pub(super) struct MovedRef {
    pub reference: Text,
    pub before: Text,
    pub after: Text,
    /// GitHub's `deleted`; the others only send zeros as `after`.
    pub deleted: bool,
    /// The commit behind `after` where the forge says it.
    pub commit: Text,
    pub message: Option<String>,
}

impl MovedRef {
    /// Push, tag or delete; ignored for a ref that is neither a branch nor a tag.
    ///
    /// # Errors
    /// A ref that git would refuse, or an object id that is none.
    pub(super) fn event_kind(self) -> Result<EventKind, InvalidDelivery> {
        let reference = ref_name(self.reference)?;
        let before = object_id("before", self.before)?.filter(|id| !id.is_zero());
        let after = object_id("after", self.after)?;
        if reference.branch().or(reference.tag()).is_none() {
            let reason = format!("{} is neither a branch nor a tag", excerpt(reference.as_str()));
            return Ok(EventKind::Ignored { reason });
        }
        let after = match after {
            Some(id) if id.is_zero() => None,
            Some(id) => Some(id),
            None if self.deleted => None,
            None => return Err(InvalidDelivery::new("after is missing: it should be the object id that was pushed")),
        };
        let Some(after) = after.filter(|_| !self.deleted) else {
            return Ok(EventKind::Delete { reference, before });
        };
        let told = object_id("the commit", self.commit)?;
        if told.as_ref().is_some_and(CommitId::is_zero) {
            return Err(InvalidDelivery::new("the commit is all zeros, but after is not"));
        }
        let (commit_is_told, commit) = (told.is_some(), told.unwrap_or_else(|| after.clone()));
        let is_tag = reference.tag().is_some();
        let change = RefChange { reference, before, after, commit, commit_is_told, message: self.message };
        Ok(if is_tag { EventKind::Tag(change) } else { EventKind::Push(change) })
    }
}

/// A full ref name.
pub(super) fn ref_name(text: Text) -> Result<RefName, InvalidDelivery> {
    match text {
        Text::Value(text) => RefName::new(text)
            .map_err(|error| InvalidDelivery::new(format!("ref is {}, not {}", excerpt(&error.text), error.expected))),
        Text::Absent => {
            Err(InvalidDelivery::new("ref is missing: it should be a full ref name such as refs/heads/main"))
        }
        Text::Other => Err(InvalidDelivery::new("ref is not text")),
    }
}

fn object_id(field: &str, text: Text) -> Result<Option<CommitId>, InvalidDelivery> {
    match text {
        Text::Value(text) => CommitId::new(text).map(Some).map_err(|error| {
            InvalidDelivery::new(format!("{field} is {}, not {}", excerpt(&error.text), error.expected))
        }),
        Text::Absent => Ok(None),
        Text::Other => Err(InvalidDelivery::new(format!("{field} is not text: it should be an object id"))),
    }
}

/// The beginning of a text from the payload in quotes, with everything escaped that could harm a terminal or a log.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{:?}...", Quoted(&text[..end])),
        None => format!("{:?}", Quoted(text)),
    }
}
