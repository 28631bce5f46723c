//! One webhook delivery: its event's name, its id, and what it says.

use super::invalid::InvalidDelivery;
use super::{header, payload, table};
use crate::model::{DeliveryId, Event, ForgeKind};
use http::HeaderMap;
use sha2::{Digest, Sha256};

/// The headers that may name the event; the first one that is there counts.
pub fn event_headers(kind: ForgeKind) -> &'static [&'static str] {
    table::of(kind).event_headers()
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
    table::of(kind).own_event_header()
}

/// The id by which a delivery is known, the same again when it is delivered again.
///
/// An id that no forge would send is replaced by its hash; where there is none, or it is unclear which, it is the hash
/// of event and body. Where the id does not tell two pushes apart, a part of the body's hash is added.
pub fn delivery_id(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> DeliveryId {
    let forge = table::of(kind);
    let mut found = None;
    for name in forge.id_headers() {
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
        Some((name, text)) if !forge.id_tells_apart(name) => {
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

/// What a delivery says, in the one form that later rooms see: one event for each change of a ref, at least one in all.
/// It proves nothing: [`super::verify`] comes first.
///
/// # Errors
/// What a forge would not send: no event's name, a body that is no JSON object, a ref or id that is none.
pub fn read(kind: ForgeKind, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, InvalidDelivery> {
    let event = event_name(kind, headers)?;
    let forge = table::of(kind);
    if !forge.sends_forms() && payload::content_type(headers) == Some(payload::ContentType::Form) {
        return Err(InvalidDelivery::new("GitLab sends JSON, and this is a form"));
    }
    let text = payload::json_text(headers, body)?;
    forge.read(event, &text)
}
