//! What of a delivery may be stored and shown: never a secret, a token or a signature.

use super::claim::Proof;
use super::payload::{self, ContentType};
use super::table;
use crate::model::ForgeKind;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use serde_json::Value;

/// A delivery without its secrets, from which the same event can be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Names in lower case: the event, the delivery's id, content type and user agent.
    pub headers: Vec<(String, String)>,
    /// The payload as JSON text (also of a form).
    pub body: Bytes,
}

impl Kept {
    /// The headers in the form in which [`super::read`] takes them.
    pub fn header_map(&self) -> HeaderMap {
        let pairs = self.headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        pairs.collect::<Vec<(HeaderName, _)>>().into_iter().fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }
}

const HIDDEN: &str = "***";

/// Takes from a delivery what is worth keeping.
///
/// Old versions of Gitea put the hook's secret in clear into every body (seen on 1.14.1); it is hidden. A body that is
/// no JSON is kept with the project's own secrets hidden, so that somebody can see what was wrong with it.
pub fn kept(kind: ForgeKind, headers: &HeaderMap, body: &Bytes, proof: &Proof) -> Kept {
    let text = match payload::json_text(headers, body) {
        Ok(std::borrow::Cow::Borrowed(_)) => body.clone(),
        Ok(std::borrow::Cow::Owned(decoded)) => Bytes::from(decoded),
        Err(_) => return Kept { headers: kept_headers(kind, headers, false), body: masked(body, proof) },
    };
    let from_form = payload::content_type(headers) == Some(ContentType::Form);
    Kept { headers: kept_headers(kind, headers, from_form), body: without_secret(text, proof) }
}

fn kept_headers(kind: ForgeKind, headers: &HeaderMap, from_form: bool) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    let forge = table::of(kind);
    let names = forge.event_headers().iter().chain(forge.id_headers()).copied();
    for name in names.chain([CONTENT_TYPE.as_str(), USER_AGENT.as_str()]) {
        for value in headers.get_all(name) {
            let Ok(value) = value.to_str() else { continue };
            let value = if from_form && name == CONTENT_TYPE.as_str() { "application/json" } else { value };
            kept.push((name.to_ascii_lowercase(), value.to_string()));
        }
    }
    kept
}

/// The JSON text with `secret` and `hook.config.secret` hidden; untouched, byte for byte, where neither is there.
fn without_secret(text: Bytes, proof: &Proof) -> Bytes {
    if !contains(&text, b"secret") {
        return text;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&text) else { return masked(&text, proof) };
    let mut hid = false;
    for pointer in ["/secret", "/hook/config/secret"] {
        if let Some(secret) = value.pointer_mut(pointer) {
            *secret = Value::from(HIDDEN);
            hid = true;
        }
    }
    if hid { Bytes::from(value.to_string()) } else { text }
}

/// The bytes with each of the project's secrets hidden, as it is and as JSON would write it.
fn masked(bytes: &Bytes, proof: &Proof) -> Bytes {
    let mut bytes = bytes.clone();
    for secret in [&proof.secret, &proof.signing_token].into_iter().flatten().filter(|secret| !secret.is_empty()) {
        let quoted = Value::from(secret.expose()).to_string();
        for form in [secret.expose(), &quoted[1..quoted.len() - 1]] {
            if contains(&bytes, form.as_bytes()) {
                bytes = Bytes::from(replaced(&bytes, form.as_bytes()));
            }
        }
    }
    bytes
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn replaced(bytes: &[u8], part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(part.len()).position(|window| window == part) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[at + part.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests;
