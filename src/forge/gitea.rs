//! Gitea's and Forgejo's payloads: GitHub's shape, with `delete` events of their own.

use super::InvalidDelivery;
use super::github::Payload;
use super::moved_ref::ref_name;
use super::payload::{self, Text};
use super::repository;
use crate::model::{Event, EventKind};

/// Reads Gitea's or Forgejo's JSON text.
pub(super) fn read(event: &str, text: &[u8]) -> Result<Event, InvalidDelivery> {
    let mut payload: Payload = payload::parse(text)?;
    let kind = match event {
        "push" => payload.moved_ref().event_kind()?,
        "ping" => EventKind::Ping,
        "create" => {
            EventKind::Ignored { reason: "create events deploy nothing: a push event comes for the same change".into() }
        }
        "delete" => deleted(&mut payload)?,
        _ => repository::ignored(event),
    };
    payload.event(kind)
}

/// A removed branch sends nothing but `delete`, with its short name (seen on Gitea 1.14.1); a removed tag sends a
/// push with zeros as well, so that its `delete` is one too many.
fn deleted(payload: &mut Payload) -> Result<EventKind, InvalidDelivery> {
    match std::mem::take(&mut payload.ref_type) {
        Text::Value(ref_type) if ref_type == "branch" => {
            let reference = match std::mem::take(&mut payload.reference) {
                Text::Value(name) => ref_name(Text::Value(format!("refs/heads/{name}")))?,
                other => ref_name(other)?,
            };
            Ok(EventKind::Delete { reference, before: None })
        }
        Text::Value(ref_type) if ref_type == "tag" => {
            Ok(EventKind::Ignored { reason: "a push event comes for the same deleted tag".into() })
        }
        _ => Err(InvalidDelivery::new("ref_type is neither branch nor tag")),
    }
}
