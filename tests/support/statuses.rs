//! Statuses to send, and clients with short time-outs.

use launchway::forge::StatusClients;
use launchway::forge::statuses::{StatusClient, StatusTarget};
use launchway::model::{CommitId, CommitStatus, StatusState};
use std::sync::Arc;
use std::time::Duration;

pub const CONTEXT: &str = "launchway/production";

/// A commit id that is one digit over and over.
pub fn commit(digit: char) -> CommitId {
    CommitId::new(digit.to_string().repeat(40)).unwrap()
}

pub fn status(commit: &CommitId, state: StatusState, description: &str) -> CommitStatus {
    CommitStatus {
        commit: commit.clone(),
        context: CONTEXT.into(),
        state,
        description: description.into(),
        target_url: Some("http://deploy.example.com/d/7f3a".into()),
        reference: Some("main".into()),
    }
}

/// The client of a target, which waits for an answer half a second.
pub fn impatient(target: &StatusTarget) -> Arc<dyn StatusClient> {
    clients(Duration::from_millis(500)).client(target).unwrap()
}

/// The client of a target.
pub fn patient(target: &StatusTarget) -> Arc<dyn StatusClient> {
    clients(Duration::from_secs(20)).client(target).unwrap()
}

/// Clients that wait for an answer this long.
pub fn clients(whole: Duration) -> StatusClients {
    let _ = rustls::crypto::ring::default_provider().install_default();
    StatusClients::with_timeouts(Duration::from_secs(5), whole).unwrap()
}
