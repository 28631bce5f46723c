//! GitHub, GitLab, Gitea, Forgejo, plain git: deliveries in (one event type out), statuses out.
//!
//! A delivery goes [`verify`] (who sent it, over the raw bytes), [`delivery_id`] (was it here before), [`read`] (what
//! it says). Nothing of a payload is trusted further than that: what is cloned, and from where, is the settings' word.

mod delivery;
mod gitea;
mod github;
mod gitlab;
mod header;
mod kept;
mod moved_ref;
mod payload;
mod plain;
mod repository;
mod signature;
pub mod statuses;

pub use delivery::{InvalidDelivery, default_event_header, delivery_id, event_headers, event_name, read};
pub use kept::{Kept, kept};
pub use payload::{ContentType, content_type};
pub use signature::{Proof, SIGNED_TIME_TOLERANCE, SignatureVerdict, verify};

#[cfg(test)]
mod tests;
