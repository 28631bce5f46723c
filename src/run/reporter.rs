//! Sends what waits in the outbox, in order for each commit and context, until the forge has taken it.

use super::deployer::{Deployer, now_ms};
use super::failpoint::failpoint;
use super::lanes::Lanes;
use crate::forge::statuses::{StatusClient, StatusTarget};
use crate::model::{OutboxEntry, PostError, ProjectName, Secret};
use crate::report::outbox::{self, Next};
use crate::store::{Settled, StoreError};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Statuses sent at once.
const AT_ONCE: usize = 8;
/// The outbox is looked at this often at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Runs until the process ends.
pub async fn send_statuses(deployer: Arc<Deployer>) {
    let mut sender = Sender { deployer: deployer.clone(), clients: HashMap::new(), sending: Lanes::new() };
    while !deployer.stop.is_cancelled() {
        let look_again = match sender.round().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(error = %error, "The outbox cannot be read or written");
                Duration::from_secs(5)
            }
        };
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.to_send.notified() => {}
            () = sender.sending.ended() => {}
            () = tokio::time::sleep(look_again) => {}
        }
    }
}

/// What a client was made from; another one is made when the settings change.
type ClientKey = (Option<url::Url>, String, String, Option<Secret>);

struct Sender {
    deployer: Arc<Deployer>,
    clients: HashMap<ProjectName, (ClientKey, Arc<dyn StatusClient>)>,
    /// By the entry's id.
    sending: Lanes<i64>,
}

impl Sender {
    /// Begins what can be sent now; returns how long nothing else is due.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        let mut entries = self.deployer.store.outbox().await?;
        for entry in &mut entries {
            entry.sending = self.sending.is_busy(&entry.id);
        }
        let now = Timestamp::now();
        let round = outbox::round(&entries, now);
        if !round.drop.is_empty() {
            self.deployer.store.drop_statuses(round.drop, now.as_millisecond()).await?;
        }
        for id in round.send {
            if self.sending.len() >= AT_ONCE {
                break;
            }
            if let Some(entry) = entries.iter().find(|entry| entry.id == id) {
                self.send(entry.clone());
            }
        }
        let wait = round.look_again.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        Ok(wait.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN))
    }

    fn send(&mut self, mut entry: OutboxEntry) {
        // It was said without secrets; what is known to be one since then goes, too.
        let mask = self.deployer.mask_of_project(&entry.project);
        entry.status.description = mask.sentence(&entry.status.description);
        let client = self.client(&entry.project);
        let deployer = self.deployer.clone();
        self.sending.begin(entry.id, async move {
            failpoint("status.leaves");
            let answer = match client {
                Ok(client) => client.post(&entry.status).await,
                Err(why) => Err(PostError::Denied { why }),
            };
            failpoint("status.sent");
            if let Err(error) = settle(&deployer, &entry, answer).await {
                tracing::error!(error = %error, "The outbox cannot be written to");
            }
        });
    }

    fn client(&mut self, name: &ProjectName) -> Result<Arc<dyn StatusClient>, String> {
        let config = self.deployer.config();
        let project = config.projects.get(name);
        let project = project.ok_or_else(|| format!("project {name} is no longer in launchway.toml"))?;
        let key: ClientKey =
            (project.api.clone(), project.full_name.clone(), project.repository.clone(), project.token.clone());
        if let Some((known, client)) = self.clients.get(name)
            && *known == key
        {
            return Ok(client.clone());
        }
        let target = StatusTarget {
            forge: project.forge,
            api: project.api.clone(),
            repository: project.full_name.clone(),
            clone_url: project.repository.clone(),
            token: project.token.clone(),
            credentials: project.credentials.clone(),
        };
        let client = self.deployer.status_clients.client(&target).map_err(|error| format!("{error:#}"))?;
        self.clients.insert(name.clone(), (key, client.clone()));
        Ok(client)
    }
}

async fn settle(deployer: &Deployer, entry: &OutboxEntry, answer: Result<(), PostError>) -> Result<(), StoreError> {
    let Err(error) = answer else {
        return deployer.store.settle_status(entry.id, Settled::Sent, None, now_ms()).await;
    };
    let why = deployer.mask_of_project(&entry.project).sentence(error.why());
    let (commit, context) = (&entry.status.commit, &entry.status.context);
    match outbox::after_failure(&error, entry.status.state.is_final(), entry.attempts + 1, jitter()) {
        Next::GiveUp => {
            tracing::error!(%commit, %context, why, "The forge will never take this commit status; it is given up");
            deployer.store.settle_status(entry.id, Settled::Refused, Some(why), now_ms()).await
        }
        Next::Again { after, tell_operator } => {
            let after_ms = after.as_millis() as u64;
            if tell_operator {
                tracing::error!(%commit, %context, why, after_ms, "A commit status was refused; somebody must act");
            } else {
                tracing::warn!(%commit, %context, why, after_ms, "A commit status did not arrive; it is sent again");
            }
            deployer.store.retry_status(entry.id, why, outbox::due(Timestamp::now(), after).as_millisecond()).await
        }
    }
}

/// Chance between 0.0 and 1.0.
fn jitter() -> f64 {
    let mut byte = [0u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 0.5,
    }
}
