//! GitHub, GitLab, Gitea, Forgejo, plain git: deliveries in (one event type out), statuses out.
//!
//! A delivery goes [`verify`] (who sent it, over the raw bytes), [`delivery_id`] (was it here before), [`read`] (what
//! it says). Nothing of a payload is trusted further than that: what is cloned, and from where, is the settings' word.
//!
//! What differs from forge to forge is one trait (`rules::Forge`), of which each kind has one value (`table`).

mod claim;
mod delivery;
mod gitea;
mod github;
mod gitlab;
mod gitlab_proof;
mod header;
mod invalid;
mod kept;
mod moved_ref;
mod payload;
mod plain;
mod repository;
mod rules;
mod signature;
mod status_clients;
pub mod statuses;
mod table;

pub use claim::{Proof, SignatureVerdict};
pub use delivery::{default_event_header, delivery_id, event_headers, event_name, read};
pub use gitlab_proof::SIGNED_TIME_TOLERANCE;
pub use invalid::InvalidDelivery;
pub use kept::{Kept, kept};
pub use payload::{ContentType, content_type};
pub use signature::{proof_of, verify};
pub use status_clients::{StatusClients, status_client};

#[cfg(test)]
mod tests;
