//! GitHub's payloads (docs.github.com, "Webhook events and payloads"); the plain forge's too.

use super::InvalidDelivery;
use super::moved_ref::MovedRef;
use super::payload::{self, Flag, List, Number, Object, Text};
use super::repository;
use crate::model::{Event, EventKind};
use serde::Deserialize;

/// What is read of a payload of GitHub, Gitea or Forgejo, whatever the event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    #[serde(rename = "ref")]
    pub reference: Text,
    /// `branch` or `tag`, in Gitea's create and delete events, where `ref` is a short name.
    pub ref_type: Text,
    pub before: Text,
    pub after: Text,
    pub deleted: Flag,
    pub head_commit: Object<HeadCommit>,
    /// Of a push. Gitea 1.14 sends only these, and no `head_commit`.
    pub commits: List<HeadCommit>,
    pub repository: Object<Repository>,
    pub sender: Object<Account>,
    pub pusher: Object<Account>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeadCommit {
    id: Text,
    message: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    id: Number,
    full_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    login: Text,
    username: Text,
    name: Text,
}

impl Account {
    fn name(self) -> Option<String> {
        self.login.filled().or(self.username.filled()).or(self.name.filled())
    }
}

impl Payload {
    pub(super) fn moved_ref(&mut self) -> MovedRef {
        let reference = std::mem::take(&mut self.reference);
        let head = std::mem::take(&mut self.head_commit).0.unwrap_or_default();
        let commits = std::mem::take(&mut self.commits).0;
        let listed = commits.into_iter().find(|commit| commit.id != Text::Absent && commit.id == self.after);
        // On a branch `after` is the commit. For an annotated tag it is the tag object, and head_commit the commit.
        let is_tag = matches!(&reference, Text::Value(name) if name.starts_with("refs/tags/"));
        MovedRef {
            reference,
            before: std::mem::take(&mut self.before),
            after: std::mem::take(&mut self.after),
            deleted: self.deleted.0,
            commit: if is_tag { head.id } else { Text::Absent },
            message: head.message.filled().or(listed.and_then(|commit| commit.message.filled())),
        }
    }

    /// The event of this kind, with who sent it and from which repository.
    pub(super) fn event(self, kind: EventKind) -> Result<Event, InvalidDelivery> {
        let sender = self.sender.0.and_then(Account::name).or(self.pusher.0.and_then(Account::name));
        let Repository { id, full_name } = self.repository.0.unwrap_or_default();
        Ok(Event { repository: repository::of(&kind, full_name, id, "repository.full_name")?, kind, sender })
    }
}

/// Reads GitHub's JSON text.
pub(super) fn read(event: &str, text: &[u8]) -> Result<Event, InvalidDelivery> {
    let mut payload: Payload = payload::parse(text)?;
    let kind = match event {
        "push" => payload.moved_ref().event_kind()?,
        "ping" => EventKind::Ping,
        "create" | "delete" => EventKind::Ignored {
            reason: format!("{event} events deploy nothing: a push event comes for the same change"),
        },
        _ => repository::ignored(event),
    };
    payload.event(kind)
}
