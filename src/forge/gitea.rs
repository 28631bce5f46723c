//! Gitea's and Forgejo's payloads: GitHub's shape, with `delete` events of their own.

use super::claim::{Claim, Proof, SignatureVerdict, hex_code, key, proof_header};
use super::github::Payload;
use super::invalid::InvalidDelivery;
use super::moved_ref::ref_name;
use super::payload::{self, Text};
use super::repository;
use super::rules::{Forge, Signed};
use super::statuses::{ApiPath, Connections, GiteaClient, StatusClient, StatusTarget};
use crate::model::{Event, EventKind, ForgeKind};
use http::HeaderMap;
use std::sync::Arc;

/// Gitea, and Forgejo, which sends Gitea's headers beside its own.
pub(super) struct Gitea {
    kind: ForgeKind,
    own_event_header: &'static str,
}

pub(super) const GITEA: Gitea = Gitea { kind: ForgeKind::Gitea, own_event_header: "X-Gitea-Event" };
pub(super) const FORGEJO: Gitea = Gitea { kind: ForgeKind::Forgejo, own_event_header: "X-Forgejo-Event" };

impl Forge for Gitea {
    fn event_headers(&self) -> &'static [&'static str] {
        &["X-Forgejo-Event", "X-Gitea-Event", "X-Gogs-Event", "X-GitHub-Event"]
    }

    fn own_event_header(&self) -> &'static str {
        self.own_event_header
    }

    fn id_headers(&self) -> &'static [&'static str] {
        &["X-Forgejo-Delivery", "X-Gitea-Delivery", "X-Gogs-Delivery", "X-GitHub-Delivery"]
    }

    fn claim<'a>(&self, signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict> {
        match signed.text {
            Ok(text) => claim(signed.headers, text, signed.proof),
            Err(invalid) => Err(SignatureVerdict::invalid(invalid.reason.clone())),
        }
    }

    fn read(&self, event: &str, text: &[u8]) -> Result<Vec<Event>, InvalidDelivery> {
        read(event, text).map(|event| vec![event])
    }

    fn status_client(&self, target: &StatusTarget, connections: &Connections) -> anyhow::Result<Arc<dyn StatusClient>> {
        let api = connections.api(target, ApiPath::below("/api/v1"))?;
        let [owner, name] = target.owner_and_name()?;
        Ok(Arc::new(GiteaClient::new(api.client, self.kind, owner, name)))
    }
}

/// Reads Gitea's or Forgejo's JSON text.
fn read(event: &str, text: &[u8]) -> Result<Event, InvalidDelivery> {
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

/// `X-Forgejo-Signature`, which alone counts where it is there, else `X-Gitea-Signature`: bare hex over the JSON text.
fn claim<'a>(headers: &HeaderMap, text: &'a [u8], proof: &Proof) -> Result<Claim<'a>, SignatureVerdict> {
    let forgejo = "X-Forgejo-Signature";
    let name = if headers.contains_key(forgejo) { forgejo } else { "X-Gitea-Signature" };
    let codes = vec![hex_code(name, proof_header(headers, name)?)?];
    Ok(Claim { key: key(&proof.secret)?, prefix: Vec::new(), text, codes })
}
