//! What becomes of a delivery that is verified: stored durably, judged by what the settings want, and answered.

use crate::config::{Config, Project};
use crate::forge::Proof;
use crate::model::{
    DeliveryId, DeploymentState, EnvironmentName, Event, EventKind, ForgeKind, Mask, NumberedRepository, ProjectName,
    Quoted, RefChange, RepositoryRef, plain_line,
};
use crate::receive::{Answer, Expected, Intake, Outcome, Started, Verified};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::{new_delivery_key, now_ms};
use crate::run::incoming::skip;
use crate::store::{Arrival, Delivery, DeliveryOutcome, Deployment, NewDelivery};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Refused requests kept to be seen; they come from anybody.
const REFUSALS_KEPT: u32 = 200;

/// The receiver's way into the flow.
pub struct Deliveries {
    pub deployer: Arc<Deployer>,
    last_refusal_ms: AtomicI64,
}

impl Deliveries {
    /// Takes deliveries in for this server.
    pub fn new(deployer: Arc<Deployer>) -> Self {
        Self { deployer, last_refusal_ms: AtomicI64::new(0) }
    }
}

#[async_trait]
impl Intake for Deliveries {
    fn expected(&self, project: &str) -> Option<Expected> {
        let config = self.deployer.config();
        let project = config.projects.get(project)?;
        Some(Expected { project: project.name.clone(), forge: project.forge, proof: proof(project) })
    }

    async fn is_renewed(&self) -> bool {
        self.deployer.changed_for_a_stranger().await
    }

    async fn accept(&self, delivery: Verified) -> anyhow::Result<Answer> {
        let mask = self.deployer.mask_of_project(&delivery.project);
        let answer = self.taken(delivery).await?;
        Ok(Answer { message: mask.sentence(&answer.message), ..answer })
    }

    fn refused(&self, project: &ProjectName, forge: ForgeKind, reason: &str) {
        // One in a second is enough to see what is wrong, and too little to hurt.
        let now = now_ms();
        let last = self.last_refusal_ms.load(Ordering::Relaxed);
        let is_turn = now - last >= 1_000
            && self.last_refusal_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let (Ok(key), true) = (new_delivery_key(now), is_turn) else { return };
        let Ok(id) = DeliveryId::new(format!("refused-{now}-{}", &key[key.len() - 8..])) else { return };
        let new = NewDelivery {
            project: project.clone(),
            id,
            forge,
            event_name: String::new(),
            kind: "refused".into(),
            event: None,
            found: false,
            outcome: DeliveryOutcome::Refused,
            // Strangers make up names: nothing is kept for each of them.
            reason: match self.deployer.config().projects.contains_key(project) {
                true => self.deployer.mask_of_project(project).sentence(reason),
                false => self.deployer.mask().sentence(reason),
            },
            page_key: key,
        };
        let store = self.deployer.store.clone();
        self.deployer.tasks.spawn(async move {
            let kept = async {
                store.add_delivery(new, now).await?;
                store.forget_old_refusals(REFUSALS_KEPT).await
            };
            if let Err(error) = kept.await {
                tracing::warn!(error = %error, "A refused delivery could not be noted");
            }
        });
    }
}

impl Deliveries {
    async fn taken(&self, delivery: Verified) -> anyhow::Result<Answer> {
        let config = self.deployer.config();
        let Verified { project, forge, id, event_name, event, kept, request_id } = delivery;
        // The body is not stored: many deliveries wait for one commit, and need not hold theirs meanwhile.
        drop((kept, request_id));
        let mask = self.deployer.mask_of_project(&project);
        let came = Came { project, forge, id, event_name, mask };
        let project = config.projects.get(&came.project);
        let project = project.ok_or_else(|| anyhow::anyhow!("the project was removed from launchway.toml just now"))?;
        let event = match event {
            Ok(event) => masked(event, &came.mask),
            Err(invalid) => {
                let new = came.delivery(None, DeliveryOutcome::Invalid, &invalid.reason)?;
                let reason = new.reason.clone();
                return Ok(answer(Outcome::Ignored, reason, Some(self.keep(new).await?)));
            }
        };
        if let Some(reason) = self.not_ours(project, &event).await? {
            return self.ignore(&came, event, reason).await;
        }
        match &event.kind {
            EventKind::Ping => {
                let message = greeting(project);
                let new = came.delivery(Some(event), DeliveryOutcome::Ignored, &message)?;
                let url = self.keep(new).await?;
                Ok(answer(Outcome::Pong, message, Some(url)))
            }
            EventKind::Ignored { reason } => {
                let reason = reason.clone();
                self.ignore(&came, event, reason).await
            }
            EventKind::Delete { reference, .. } => {
                let reason = format!("{} was deleted: nothing is deployed for that", Quoted(reference.short()));
                self.ignore(&came, event, reason).await
            }
            EventKind::Push(change) | EventKind::Tag(change) => {
                let change = change.clone();
                self.take(&config, project, &came, event, &change).await
            }
        }
    }
}

fn proof(project: &Project) -> Proof {
    Proof { secret: project.secret.clone(), signing_token: project.signing_token.clone() }
}

fn answer(outcome: Outcome, message: String, url: Option<String>) -> Answer {
    Answer { outcome, message, url, deployments: Vec::new() }
}

/// An event without secrets: what people write and call themselves is theirs, and goes into the store and the log.
fn masked(mut event: Event, mask: &Mask) -> Event {
    event.sender = event.sender.map(|sender| plain_line(&mask.apply(&sender)).into_owned());
    match &mut event.kind {
        EventKind::Push(change) | EventKind::Tag(change) => {
            change.message = change.message.take().map(|message| mask.apply(&message));
        }
        EventKind::Ignored { reason } => *reason = mask.sentence(reason),
        EventKind::Delete { .. } | EventKind::Ping => {}
    }
    event
}

fn told_number(project: &Project, known: &NumberedRepository) -> String {
    match &known.name {
        Some(name) if !name.eq_ignore_ascii_case(&project.full_name) => {
            format!(" (whose number is not known yet: {} was that of {name})", known.id, name = Quoted(name))
        }
        _ => format!(" (number {})", known.id),
    }
}

/// Whether a delivery names the repository of the settings. Those of GitLab may name it by its number.
fn is_named(project: &Project, repository: &RepositoryRef) -> bool {
    let by_number = |id: i64| project.forge.names_may_be_numbers() && project.full_name == id.to_string();
    repository.full_name.eq_ignore_ascii_case(&project.full_name) || repository.id.is_some_and(by_number)
}

/// What will happen for a change, as far as its payload tells. `now`: environments in which it begins in its turn; `later`:
/// others, each with what it waits for there.
fn foreseen(project: &Project, change: &RefChange, now: &[&EnvironmentName], later: &[String]) -> String {
    let short = Quoted(change.reference.short());
    // Of a tag, only the repository can tell which commit it is.
    let what = match change.known_commit() {
        Some(commit) => format!("{short} {}", commit.short()),
        None => short.to_string(),
    };
    let names: Vec<&str> = now.iter().map(|name| name.as_str()).collect();
    let will_be = match names.is_empty() {
        true => "will be deployed".to_string(),
        false => format!("will be deployed to {}", names.join(", ")),
    };
    let mut said = match change.message.as_deref().is_some_and(|message| skip::leaves_alone(&change.reference, message))
    {
        true => format!(
            "{what} of {} is marked to be skipped: the newest commit before it that is not {will_be}, unless it is live",
            project.name
        ),
        false if names.is_empty() => format!("{what} of {} is not deployed yet", project.name),
        false => format!("{what} of {} {will_be}", project.name),
    };
    for waits in later {
        said.push_str("; ");
        said.push_str(waits);
    }
    said
}

/// What a forge shows to the person who has just set up the hook.
fn greeting(project: &Project) -> String {
    let wants: Vec<String> = project
        .environments
        .values()
        .map(|e| {
            let patterns: Vec<&str> = e.branches.iter().chain(&e.tags).map(|p| p.text.as_str()).collect();
            format!("{} deploys to {}", patterns.join(", "), e.name)
        })
        .collect();
    format!(
        "The hook of project {} works: {}. The next push deploys; `launchway deploy` deploys what is there now.",
        project.name,
        wants.join("; ")
    )
}

/// A delivery that is accepted, besides what it says.
struct Came {
    project: ProjectName,
    forge: ForgeKind,
    id: DeliveryId,
    event_name: String,
    mask: Mask,
}

impl Came {
    fn delivery(&self, event: Option<Event>, outcome: DeliveryOutcome, reason: &str) -> anyhow::Result<NewDelivery> {
        Ok(NewDelivery {
            project: self.project.clone(),
            id: self.id.clone(),
            forge: self.forge,
            event_name: self.mask.apply(&self.event_name).chars().take(100).collect(),
            kind: event.as_ref().map_or("invalid", |event| event.kind.word()).to_string(),
            event,
            found: false,
            outcome,
            reason: self.mask.sentence(reason),
            page_key: new_delivery_key(now_ms())?,
        })
    }
}

impl Deliveries {
    /// Stores what deploys nothing; what came before under the same id is judged afresh. Returns its page.
    async fn keep(&self, new: NewDelivery) -> anyhow::Result<String> {
        let new = Arc::new(new);
        match self.deployer.store.add_delivery(new.clone(), now_ms()).await? {
            Arrival::New(_) => Ok(self.deployer.delivery_page(&new.page_key)),
            Arrival::Again(before) => {
                let deployed = matches!(before.outcome, DeliveryOutcome::Received | DeliveryOutcome::Deploys);
                if !deployed {
                    self.deployer.store.renew_delivery(before.number, new).await?;
                }
                Ok(self.deployer.delivery_page(&before.page_key))
            }
        }
    }

    async fn ignore(&self, came: &Came, event: Event, reason: String) -> anyhow::Result<Answer> {
        let new = came.delivery(Some(event), DeliveryOutcome::Ignored, &reason)?;
        let url = self.keep(new).await?;
        Ok(answer(Outcome::Ignored, reason, Some(url)))
    }

    /// Why an event is of another repository, if it is. The signature proves that it comes from where the project's secret
    /// is: so one that names the repository of the settings is ours, whatever its number. The number only helps with a
    /// rename, as long as it was noted for the name that the settings still have.
    async fn not_ours(&self, project: &Project, event: &Event) -> anyhow::Result<Option<String>> {
        let Some(repository) = &event.repository else { return Ok(None) };
        // A plain repository has no name but its folder's, which differs between machines; the secret proves it.
        if !project.forge.names_are_everybodys() {
            return Ok(None);
        }
        let known = self.deployer.store.numbered_repository(&project.name).await?;
        if is_named(project, repository) {
            self.note_number(project, known, repository).await?;
            return Ok(None);
        }
        let is_of_the_settings = |known: &NumberedRepository| {
            known.name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&project.full_name))
        };
        if known.as_ref().is_some_and(|known| is_of_the_settings(known) && repository.id == Some(known.id)) {
            return Ok(None);
        }
        // Two repositories can have one name, one after the other: then only the numbers tell them apart.
        let (theirs, ours) = match (repository.id, known) {
            (Some(theirs), Some(ours)) => (format!(" (number {theirs})"), told_number(project, &ours)),
            _ => Default::default(),
        };
        Ok(Some(format!(
            "it is for {}{theirs}, and project {} deploys {}{ours}",
            Quoted(&repository.full_name),
            project.name,
            project.full_name
        )))
    }

    async fn note_number(
        &self,
        project: &Project,
        known: Option<NumberedRepository>,
        repository: &RepositoryRef,
    ) -> anyhow::Result<()> {
        let Some(id) = repository.id else { return Ok(()) };
        if let Some(known) = &known
            && known.id != id
        {
            tracing::warn!(
                project = %project.name, repository = project.full_name, before = known.id, now = id,
                "The repository has another number on its forge than it had: another one is there under the name"
            );
        }
        let now = NumberedRepository { id, name: Some(project.full_name.clone()) };
        if known.as_ref() != Some(&now) {
            self.deployer.store.note_repository_number(&project.name, id, &project.full_name).await?;
        }
        Ok(())
    }

    /// A push or tag: stored for every project of the same repository whose secret the delivery proves.
    async fn take(
        &self,
        config: &Config,
        project: &Project,
        came: &Came,
        event: Event,
        change: &RefChange,
    ) -> anyhow::Result<Answer> {
        let same_proof =
            |other: &&Project| other.secret == project.secret && other.signing_token == project.signing_token;
        let wanting: Vec<&Project> = config
            .sharing_repository(project)
            .filter(same_proof)
            .filter(|other| other.wanting(&change.reference).next().is_some())
            .collect();
        if wanting.is_empty() {
            let reason = format!("no environment wants {}", Quoted(change.reference.short()));
            return self.ignore(came, event, reason).await;
        }
        let mut will: Vec<String> = Vec::new();
        let mut will_not: Vec<String> = Vec::new();
        let mut deployments: Vec<Deployment> = Vec::new();
        let mut url = None;
        // The last one takes the event itself.
        let events = std::iter::repeat_n(event, wanting.len());
        for (other, event) in wanting.into_iter().zip(events) {
            failpoint("delivery.came");
            let mut new = came.delivery(Some(event), DeliveryOutcome::Received, "")?;
            new.project = other.name.clone();
            let new = Arc::new(new);
            let page = match self.deployer.store.add_delivery(new.clone(), now_ms()).await? {
                Arrival::New(_) => self.deployer.delivery_page(&new.page_key),
                Arrival::Again(before) => {
                    if let Some((standing, reason)) = self.still_stands(&before).await? {
                        deployments.extend(standing);
                        will_not.push(reason);
                        url.get_or_insert(self.deployer.delivery_page(&before.page_key));
                        continue;
                    }
                    self.deployer.store.renew_delivery(before.number, new).await?;
                    self.deployer.delivery_page(&before.page_key)
                }
            };
            url.get_or_insert(page);
            // It is judged by the ref as fetched, whatever is foreseen here from the payload.
            match self.deployer.already(other, change).await? {
                Some(reason) => will_not.push(reason),
                None => will.push(self.foreseen(other, change).await?),
            }
        }
        failpoint("delivery.stored");
        self.deployer.bells.to_judge.notify_one();
        if !will.is_empty() {
            return Ok(answer(Outcome::Accepted, will.join("; "), url));
        }
        let deployments: Vec<Started> = deployments
            .iter()
            .map(|d| Started {
                id: d.id,
                environment: d.environment.clone(),
                url: Some(self.deployer.page(&d.page_key)),
            })
            .collect();
        let url = deployments.first().and_then(|started| started.url.clone()).or(url);
        Ok(Answer { outcome: Outcome::Known, message: will_not.join("; "), url, deployments })
    }

    /// What will happen for a change in each environment that wants it.
    async fn foreseen(&self, project: &Project, change: &RefChange) -> anyhow::Result<String> {
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for environment in project.wanting(&change.reference) {
            match self.deployer.push_waits(project, environment).await? {
                Some(waits) => later.push(format!("{}: {waits}", environment.name)),
                None => now.push(&environment.name),
            }
        }
        Ok(foreseen(project, change, &now, &later))
    }

    /// Whether a delivery that came before need not be judged again: what it asked for waits, runs or is live. What
    /// failed, was put back or cancelled is tried again, and what was ignored or refused is judged afresh.
    async fn still_stands(&self, before: &Delivery) -> anyhow::Result<Option<(Vec<Deployment>, String)>> {
        match before.outcome {
            DeliveryOutcome::Received => {
                Ok(Some((Vec::new(), "this delivery came before and is being looked at".into())))
            }
            DeliveryOutcome::Deploys => {
                let deployments = self.deployer.store.deployments_of_delivery(before.number).await?;
                // In each environment, of several tries the newest counts.
                let newest: BTreeMap<&EnvironmentName, &Deployment> =
                    deployments.iter().map(|deployment| (&deployment.environment, deployment)).collect();
                for deployment in newest.into_values() {
                    if !self.is_on_its_way_or_live(deployment).await? {
                        return Ok(None);
                    }
                }
                let names: Vec<String> =
                    deployments.iter().map(|d| format!("deployment {} is {}", d.id, d.state)).collect();
                let reason = format!("this delivery came before: {}", names.join("; "));
                Ok(Some((deployments, reason)))
            }
            _ => Ok(None),
        }
    }

    /// One that succeeded may have been left since, by a rollback or for a newer commit.
    async fn is_on_its_way_or_live(&self, deployment: &Deployment) -> anyhow::Result<bool> {
        if deployment.state != DeploymentState::Succeeded {
            return Ok(!deployment.state.is_end());
        }
        let live = self.deployer.store.live(&deployment.project, &deployment.environment).await?;
        Ok(live.is_some_and(|live| Some(live.release) == deployment.release))
    }
}
