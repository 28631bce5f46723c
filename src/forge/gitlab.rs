//! GitLab's payloads (docs.gitlab.com, "Webhook events" and "System hooks").

use super::claim::{Claim, Proof, SignatureVerdict};
use super::gitlab_proof::{signed_claim, token_verdict};
use super::invalid::InvalidDelivery;
use super::moved_ref::MovedRef;
use super::payload::{self, List, Number, Object, Text};
use super::repository;
use super::rules::{Forge, Signed};
use super::statuses::{ApiPath, Connections, GitLabClient, StatusClient, StatusTarget};
use crate::model::{Event, Secret};
use http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;

/// gitlab.com, and GitLab on one's own server.
pub(super) struct GitLab;

impl Forge for GitLab {
    fn event_headers(&self) -> &'static [&'static str] {
        &["X-Gitlab-Event"]
    }

    /// `webhook-id` is the one that the signature covers.
    fn id_headers(&self) -> &'static [&'static str] {
        &["webhook-id", "Idempotency-Key", "X-Gitlab-Event-UUID"]
    }

    /// `X-Gitlab-Event-UUID` is handed on to the events that a webhook's receiver causes (GitLab's documentation, "Delivery
    /// headers").
    fn id_tells_apart(&self, header: &str) -> bool {
        header != "X-Gitlab-Event-UUID"
    }

    fn sends_forms(&self) -> bool {
        false
    }

    fn claim<'a>(&self, signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict> {
        match signed.proof.signing_token {
            Some(_) => signed_claim(signed),
            None => Err(token_verdict(signed.headers, signed.proof)),
        }
    }

    /// A secret that starts with `whsec_` signs; another one is the plain token, unless only a signature came.
    fn proof_of(&self, secret: Secret, headers: &HeaderMap) -> Proof {
        let only_signed = headers.contains_key("webhook-signature") && !headers.contains_key("x-gitlab-token");
        if secret.expose().starts_with("whsec_") || only_signed {
            return Proof { secret: None, signing_token: Some(secret) };
        }
        Proof { secret: Some(secret), signing_token: None }
    }

    fn read(&self, event: &str, text: &[u8]) -> Result<Vec<Event>, InvalidDelivery> {
        read(event, text).map(|event| vec![event])
    }

    fn status_client(&self, target: &StatusTarget, connections: &Connections) -> anyhow::Result<Arc<dyn StatusClient>> {
        let api = connections.api(target, ApiPath::below("/api/v4"))?;
        Ok(Arc::new(GitLabClient::new(api.client, target.repository.clone())))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    /// Tells what a system hook is about.
    event_name: Text,
    #[serde(rename = "ref")]
    reference: Text,
    before: Text,
    after: Text,
    /// The commit behind `after`, which for an annotated tag is the tag object.
    checkout_sha: Text,
    commits: List<Commit>,
    project_id: Number,
    project: Object<Project>,
    user_username: Text,
    user_name: Text,
    user: Object<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Commit {
    id: Text,
    message: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Project {
    id: Number,
    path_with_namespace: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    username: Text,
}

/// Reads GitLab's JSON text.
fn read(event: &str, text: &[u8]) -> Result<Event, InvalidDelivery> {
    let mut payload: Payload = payload::parse(text)?;
    let moves_a_ref = match event {
        "Push Hook" | "Tag Push Hook" => true,
        "System Hook" => matches!(&payload.event_name, Text::Value(name) if name == "push" || name == "tag_push"),
        _ => false,
    };
    let kind = if moves_a_ref { payload.moved_ref().event_kind()? } else { repository::ignored(event) };
    let sender = payload
        .user_username
        .filled()
        .or(payload.user.0.and_then(|user| user.username.filled()))
        .or(payload.user_name.filled());
    let project = payload.project.0.unwrap_or_default();
    let id = Number(payload.project_id.0.or(project.id.0));
    let repository = repository::of(&kind, project.path_with_namespace, id, "project.path_with_namespace")?;
    Ok(Event { kind, repository, sender })
}

impl Payload {
    fn moved_ref(&mut self) -> MovedRef {
        // The list holds the newest 20 at most, the newest of them last.
        let commits = std::mem::take(&mut self.commits).0;
        let newest = commits.iter().rfind(|commit| commit.id == self.checkout_sha).or(commits.last());
        MovedRef {
            message: newest.and_then(|commit| commit.message.clone().filled()),
            reference: std::mem::take(&mut self.reference),
            before: std::mem::take(&mut self.before),
            after: std::mem::take(&mut self.after),
            deleted: false,
            commit: std::mem::take(&mut self.checkout_sha),
        }
    }
}
