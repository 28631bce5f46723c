//! One webhook delivery: its event's name, its id, and what it says.

use super::{gitea, github, gitlab, header, payload, plain};
use crate::model::{DeliveryId, Event, ForgeKind};
use http::HeaderMap;
use sha2::{Digest, Sha256};

/// A delivery that cannot be understood, and why, as a sentence for the person who set up the hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidDelivery {
    pub reason: String,
}

impl InvalidDelivery {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// The headers that may name the event; the first one that is there counts.
pub fn event_headers(kind: ForgeKind) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitHub | ForgeKind::Plain => &["X-GitHub-Event"],
        ForgeKind::GitLab => &["X-Gitlab-Event"],
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            &["X-Forgejo-Event", "X-Gitea-Event", "X-Gogs-Event", "X-GitHub-Event"]
        }
    }
}

/// The headers that may hold the delivery's id; the first one that is there counts.
///
/// GitLab's `webhook-id` is the one that its signature covers.
pub(super) fn id_headers(kind: ForgeKind) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitHub | ForgeKind::Plain => &["X-GitHub-Delivery"],
        ForgeKind::GitLab => &["webhook-id", "Idempotency-Key", "X-Gitlab-Event-UUID"],
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            &["X-Forgejo-Delivery", "X-Gitea-Delivery", "X-Gogs-Delivery", "X-GitHub-Delivery"]
        }
    }
}

/// The event's name in the forge's own words: `push`, `Push Hook`.
///
/// # Errors
/// The header is missing, doubled or not text.
pub fn event_name(kind: ForgeKind, headers: &HeaderMap) -> Result<&str, InvalidDelivery> {
    match header::first_of(headers, event_headers(kind))? {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(InvalidDelivery::new(format!("the header {} is missing", default_event_header(kind)))),
    }
}

/// The header in which this forge itself names the event.
pub fn default_event_header(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::Gitea => "X-Gitea-Event",
        _ => event_headers(kind)[0],
    }
}

/// The id by which a delivery is known, the same again when it is delivered again.
///
/// An id that no forge would send is replaced by its hash; where there is none, or it is unclear which, it is the hash
/// of event and body. GitLab's `X-Gitlab-Event-UUID` is handed on to the events that a webhook's receiver causes
/// (GitLab's documentation, "Delivery headers"), so it alone does not tell two pushes apart: the body's hash is added.
pub fn delivery_id(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> DeliveryId {
    let mut found = None;
    for name in id_headers(kind) {
        match header::only(headers, name) {
            Ok(Some(text)) if !text.is_empty() => {
                found = Some((*name, text));
                break;
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    match found {
        Some(("X-Gitlab-Event-UUID", text)) => {
            let body_hash = hex::encode(Sha256::digest(body));
            known_as(&format!("{text}.{}", &body_hash[..16]))
        }
        Some((_, text)) => known_as(text),
        None => {
            let event = event_name(kind, headers).unwrap_or("");
            hashed(&[event.as_bytes(), b"\n", body])
        }
    }
}

fn known_as(text: &str) -> DeliveryId {
    DeliveryId::new(text).unwrap_or_else(|_| hashed(&[text.as_bytes()]))
}

fn hashed(parts: &[&[u8]]) -> DeliveryId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    DeliveryId::new(format!("sha256-{}", hex::encode(hash.finalize()))).expect("hex is a valid delivery id")
}

/// What a delivery says, in the one form that later rooms see. It proves nothing: [`super::verify`] comes first.
///
/// # Errors
/// What a forge would not send: no event's name, a body that is no JSON object, a ref or id that is none.
pub fn read(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> Result<Event, InvalidDelivery> {
    let event = event_name(kind, headers)?;
    if kind == ForgeKind::GitLab && payload::content_type(headers) == Some(payload::ContentType::Form) {
        return Err(InvalidDelivery::new("GitLab sends JSON, and this is a form"));
    }
    let text = payload::json_text(headers, body)?;
    match kind {
        ForgeKind::GitHub => github::read(event, &text),
        ForgeKind::GitLab => gitlab::read(event, &text),
        ForgeKind::Gitea | ForgeKind::Forgejo => gitea::read(event, &text),
        ForgeKind::Plain => plain::read(event, &text),
    }
}
