//! Sends what waits in the outbox, in order for each commit and context, until the forge has taken it.

use crate::forge::statuses::{Failed, StatusClient, StatusTarget};
use crate::model::{CommitId, CommitStatus, OutboxEntry, PostError, ProjectName};
use crate::plan::shares::Shares;
use crate::report::confirming::{self, Confirming};
use crate::report::outbox::{self, Next};
use crate::run::ground::contained::contained;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::now_ms;
use crate::run::ground::keyed_tasks::KeyedTasks;
use crate::store::{Settled, StoreError, ToConfirm};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Statuses sent at once. A forge that does not answer holds up its own project's.
const AT_ONCE: usize = 8;
/// The outbox is looked at this often at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Runs until the process ends.
pub async fn send_statuses(deployer: Arc<Deployer>) {
    // What an earlier process was told no answer to.
    if let Err(error) = deployer.store.note_unanswered_before().await {
        tracing::error!(error = %error, "Which requests got no answer cannot be noted");
    }
    let mut sender = Sender { deployer: deployer.clone(), clients: HashMap::new(), sending: KeyedTasks::new() };
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
            () = deployer.bells.to_send.notified() => {}
            () = sender.sending.ended() => {}
            () = tokio::time::sleep(look_again) => {}
        }
    }
}

struct Sender {
    deployer: Arc<Deployer>,
    /// Each with what it was made for; another one is made when the settings change.
    clients: HashMap<ProjectName, (StatusTarget, Arc<dyn StatusClient>)>,
    /// By what has one call at a time.
    sending: KeyedTasks<(ProjectName, CommitId)>,
}

fn lane(entry: &OutboxEntry) -> (ProjectName, CommitId) {
    (entry.project.clone(), entry.status.commit.clone())
}

impl Sender {
    /// Begins what can be sent now; returns how long nothing else is due.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        let mut entries = self.deployer.store.outbox().await?;
        if !entries.is_empty() {
            // A token that was renewed is the one to send with.
            self.deployer.fresh_config().await;
        }
        for entry in &mut entries {
            entry.sending = self.sending.is_busy(&lane(entry));
        }
        let now = Timestamp::now();
        let round = outbox::round(&entries, now);
        if !round.drop.is_empty() {
            self.deployer.store.drop_statuses(round.drop, now.as_millisecond()).await?;
        }
        let mut shares = Shares::new(AT_ONCE, self.deployer.config().projects.len());
        self.sending.busy().for_each(|(project, _)| shares.take(project));
        let by_id: HashMap<i64, &OutboxEntry> = entries.iter().map(|entry| (entry.id, entry)).collect();
        let waiting = round.send.iter().filter_map(|id| by_id.get(id)).map(|entry| (entry.project.clone(), *entry));
        for entry in shares.give(waiting) {
            self.send(entry.clone());
        }
        let look_again = [round.look_again, self.confirm(now).await?].into_iter().flatten().min();
        let wait = look_again.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        Ok(wait.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN))
    }

    fn send(&mut self, mut entry: OutboxEntry) {
        hide_what_is_known_since(&self.deployer, &mut entry);
        let client = self.client(&entry.project);
        let deployer = self.deployer.clone();
        self.sending.begin(lane(&entry), async move {
            if let Err(error) = send(&deployer, client, &entry).await {
                tracing::error!(error = %error, "The outbox cannot be written to");
            }
        });
    }

    /// Goes on to make sure of finals; returns when the next of them is due.
    async fn confirm(&mut self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        for one in self.deployer.store.statuses_to_confirm().await? {
            // What is to be said of the commit goes first; when that has ended is told.
            if self.sending.is_busy(&lane(&one.entry)) || self.sending.len() >= AT_ONCE {
                continue;
            }
            if one.not_before > now {
                next = Some(next.map_or(one.not_before, |at| at.min(one.not_before)));
                continue;
            }
            let client = self.client(&one.entry.project);
            let deployer = self.deployer.clone();
            self.sending.begin(lane(&one.entry), async move {
                if let Err(error) = confirm(&deployer, client, one).await {
                    tracing::error!(error = %error, "The outbox cannot be written to");
                }
            });
        }
        Ok(next)
    }

    fn client(&mut self, name: &ProjectName) -> Result<Arc<dyn StatusClient>, String> {
        let config = self.deployer.config();
        let project = config.projects.get(name);
        let project = project.ok_or_else(|| format!("project {name} is no longer in launchway.toml"))?;
        let target = StatusTarget {
            forge: project.forge,
            api: project.api.clone(),
            repository: project.full_name.clone(),
            clone_url: project.repository.clone(),
            token: project.token.clone(),
            credentials: project.credentials.clone(),
        };
        if let Some((made_for, client)) = self.clients.get(name)
            && *made_for == target
        {
            return Ok(client.clone());
        }
        let client = self.deployer.status_clients.client(&target).map_err(|error| format!("{error:#}"))?;
        self.clients.insert(name.clone(), (target, client.clone()));
        Ok(client)
    }
}

/// It was said without secrets; what is known to be one since then goes, too.
fn hide_what_is_known_since(deployer: &Deployer, entry: &mut OutboxEntry) {
    let mask = deployer.mask_of_project(&entry.project);
    entry.status.description = mask.sentence(&entry.status.description);
}

type Client = Result<Arc<dyn StatusClient>, String>;

async fn send(deployer: &Deployer, client: Client, entry: &OutboxEntry) -> Result<(), StoreError> {
    deployer.store.note_asked(entry.id, now_ms()).await?;
    let answer = sent(client, &entry.status).await;
    let Err(Failed { error, may_arrive }) = answer else {
        return deployer.store.settle_status(entry.id, Settled::Sent, None, now_ms()).await;
    };
    if may_arrive {
        deployer.store.note_unanswered(entry.id, now_ms()).await?;
    }
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
            deployer.store.retry_status(entry.id, why, due_ms(after)).await?;
            // After 401, 403 and 404: what has been renewed meanwhile has all that waits sent again at once.
            if let (PostError::Denied { .. }, Some(project)) = (&error, deployer.config().projects.get(&entry.project))
            {
                deployer.renewed(project).await;
            }
            Ok(())
        }
    }
}

/// One call. What panics in it may have left before.
async fn sent(client: Client, status: &CommitStatus) -> Result<(), Failed> {
    let sending = contained(async {
        failpoint("status.leaves");
        let answer = match client {
            Ok(client) => client.send(status).await,
            Err(why) => Err(PostError::Denied { why }.into()),
        };
        failpoint("status.sent");
        answer
    });
    sending.await.unwrap_or_else(|broke| {
        let why = format!("{broke}; the status is sent again");
        Err(Failed { error: PostError::Retry { after: None, why }, may_arrive: true })
    })
}

/// One step of making sure of a final.
async fn confirm(deployer: &Deployer, client: Client, one: ToConfirm) -> Result<(), StoreError> {
    let ToConfirm { mut entry, done, .. } = one;
    hide_what_is_known_since(deployer, &mut entry);
    let (status, id) = (&entry.status, entry.id);
    let stands = match Confirming::after(done) {
        Confirming::SendAgain => false,
        Confirming::ReadBack => match shown(client.clone(), status).await {
            Ok(stands) => stands,
            Err(PostError::Retry { after, why }) => {
                let wait = outbox::backoff(done, after, jitter());
                tracing::debug!(commit = %status.commit, why, "What the forge shows could not be read");
                return deployer.store.confirm_later(id, done, due_ms(wait), false).await;
            }
            // The token may set statuses and not read them: then it is said again instead.
            Err(PostError::Denied { .. } | PostError::Refused { .. }) => {
                let _ = sent(client.clone(), status).await;
                true
            }
        },
    };
    if stands {
        return match confirming::next(done + 1) {
            Some(wait) => deployer.store.confirm_later(id, done + 1, due_ms(wait), false).await,
            None => deployer.store.confirmed(id).await,
        };
    }
    let (commit, context) = (&status.commit, &status.context);
    if done > 0 {
        tracing::warn!(%commit, %context, "The forge shows something else than was said last; that is sent again");
    }
    if !confirming::may_be_sent_again(entry.attempts) {
        tracing::error!(%commit, %context, "Something else goes on setting this commit status; it is left as it is");
        return deployer.store.confirmed(id).await;
    }
    match sent(client, status).await {
        Ok(()) => {
            let wait = confirming::next(1).unwrap_or_default();
            deployer.store.confirm_later(id, 1, due_ms(wait), true).await
        }
        Err(Failed { error, .. }) => {
            tracing::warn!(%commit, %context, why = error.why(), "A commit status could not be sent once more");
            let asked = if let PostError::Retry { after, .. } = &error { *after } else { None };
            deployer.store.confirm_later(id, done, due_ms(outbox::backoff(entry.attempts, asked, jitter())), true).await
        }
    }
}

async fn shown(client: Client, status: &CommitStatus) -> Result<bool, PostError> {
    let client = client.map_err(|why| PostError::Denied { why })?;
    let reading = contained(async { client.shows(status).await });
    reading.await.unwrap_or_else(|broke| Err(PostError::Retry { after: None, why: broke.to_string() }))
}

fn due_ms(after: Duration) -> i64 {
    outbox::due(Timestamp::now(), after).as_millisecond()
}

/// Chance between 0.0 and 1.0.
fn jitter() -> f64 {
    let mut byte = [0u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 0.5,
    }
}
