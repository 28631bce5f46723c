//! What differs from forge to forge, as one trait. A new forge is one more implementation of it, one more line of
//! [`super::table`], and what [`crate::model::ForgeKind`] says of it.

use super::claim::{Claim, Proof, SignatureVerdict};
use super::invalid::InvalidDelivery;
use super::statuses::{Connections, StatusClient, StatusTarget};
use crate::model::{Event, Secret};
use http::HeaderMap;
use std::sync::Arc;

/// A delivery as it came, before anything of it is believed.
pub(super) struct Signed<'a> {
    pub headers: &'a HeaderMap,
    /// The raw bytes of the body.
    pub body: &'a [u8],
    /// The JSON text in the body, decoded where it is a form's field.
    pub text: Result<&'a [u8], &'a InvalidDelivery>,
    pub proof: &'a Proof,
    pub now: jiff::Timestamp,
}

/// One kind of forge: what it sends, what proves it, and where its statuses go.
pub(super) trait Forge: Send + Sync {
    /// The headers that may name the event; the first one that is there counts.
    fn event_headers(&self) -> &'static [&'static str];

    /// The header in which this forge itself names the event.
    fn own_event_header(&self) -> &'static str {
        self.event_headers()[0]
    }

    /// The headers that may hold the delivery's id; the first one that is there counts.
    fn id_headers(&self) -> &'static [&'static str];

    /// Whether the id in this header alone tells two deliveries apart; else the hash of the body is added.
    fn id_tells_apart(&self, _header: &str) -> bool {
        true
    }

    /// Whether its hooks may send a form, whose field `payload` is the JSON text.
    fn sends_forms(&self) -> bool {
        true
    }

    /// What the headers claim about the body.
    ///
    /// # Errors
    /// The verdict, where none needs an HMAC over the body.
    fn claim<'a>(&self, signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict>;

    /// What a webhook's one secret is checked as, where only the text and a delivery's headers are known.
    fn proof_of(&self, secret: Secret, _headers: &HeaderMap) -> Proof {
        Proof { secret: Some(secret), signing_token: None }
    }

    /// What a delivery says, from its JSON text: one event for each change of a ref, at least one in all.
    ///
    /// # Errors
    /// What the forge would not send.
    fn read(&self, event: &str, text: &[u8]) -> Result<Vec<Event>, InvalidDelivery>;

    /// What sends statuses of one repository.
    ///
    /// # Errors
    /// Settings that cannot be right, naming the setting.
    fn status_client(&self, target: &StatusTarget, connections: &Connections) -> anyhow::Result<Arc<dyn StatusClient>>;
}
