//! GitHub's payloads (docs.github.com, "Webhook events and payloads"); the plain forge's too.

use super::claim::{Claim, Proof, SignatureVerdict, hex_code, key, proof_header};
use super::invalid::InvalidDelivery;
use super::moved_ref::MovedRef;
use super::payload::{self, Flag, List, Number, Object, Text};
use super::repository;
use super::rules::{Forge, Signed};
use super::statuses::{ApiPath, Connections, GitHubClient, StatusClient, StatusTarget};
use crate::model::{Event, EventKind};
use http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;

const API: ApiPath = ApiPath { hosted: Some(("github.com", "https://api.github.com")), below: "/api/v3" };

/// github.com, and GitHub Enterprise Server.
pub(super) struct GitHub;

impl Forge for GitHub {
    fn event_headers(&self) -> &'static [&'static str] {
        &["X-GitHub-Event"]
    }

    fn id_headers(&self) -> &'static [&'static str] {
        &["X-GitHub-Delivery"]
    }

    fn claim<'a>(&self, signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict> {
        claim(signed.headers, signed.body, signed.proof)
    }

    fn read(&self, event: &str, text: &[u8]) -> Result<Vec<Event>, InvalidDelivery> {
        read(event, text).map(|event| vec![event])
    }

    fn status_client(&self, target: &StatusTarget, connections: &Connections) -> anyhow::Result<Arc<dyn StatusClient>> {
        let api = connections.api(target, API)?;
        let [owner, name] = target.owner_and_name()?;
        Ok(Arc::new(GitHubClient::new(api.client, owner, name, connections.pace(api.account))))
    }
}

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

/// `X-Hub-Signature-256: sha256=<hex>` over the raw body, forms too.
pub(super) fn claim<'a>(headers: &HeaderMap, body: &'a [u8], proof: &Proof) -> Result<Claim<'a>, SignatureVerdict> {
    let name = "X-Hub-Signature-256";
    let value = match proof_header(headers, name) {
        Err(SignatureVerdict::Absent) if headers.contains_key("X-Hub-Signature") => {
            return Err(SignatureVerdict::invalid(format!("only the SHA-1 signature is there, not {name}")));
        }
        other => other?,
    };
    let digits = value
        .strip_prefix("sha256=")
        .ok_or_else(|| SignatureVerdict::invalid(format!("the header {name} does not start with sha256=")))?;
    let codes = vec![hex_code(name, digits)?];
    Ok(Claim { key: key(&proof.secret)?, prefix: Vec::new(), text: body, codes })
}
