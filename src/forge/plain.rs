//! A bare git repository whose `hooks/post-receive` signs and posts each push, in GitHub's form.

use super::claim::{Claim, SignatureVerdict};
use super::github;
use super::invalid::InvalidDelivery;
use super::rules::{Forge, Signed};
use super::statuses::{Connections, NotesClient, StatusClient, StatusTarget};
use crate::model::Event;
use std::sync::Arc;

/// Git alone. A repository's name there is what `git config launchway.repository` says, else the last two parts of its path
/// without `.git`.
pub(super) struct Plain;

impl Forge for Plain {
    fn event_headers(&self) -> &'static [&'static str] {
        &["X-GitHub-Event"]
    }

    fn id_headers(&self) -> &'static [&'static str] {
        &["X-GitHub-Delivery"]
    }

    fn claim<'a>(&self, signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict> {
        github::claim(signed.headers, signed.body, signed.proof)
    }

    fn read(&self, event: &str, text: &[u8]) -> Result<Vec<Event>, InvalidDelivery> {
        github::read(event, text).map(|event| vec![event])
    }

    fn status_client(&self, target: &StatusTarget, connections: &Connections) -> anyhow::Result<Arc<dyn StatusClient>> {
        let client = NotesClient::new(&target.clone_url, target.credentials.clone(), connections.git_timeout())?;
        Ok(Arc::new(client))
    }
}
