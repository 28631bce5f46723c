//! From deliveries to deployments: fetch what the push names, look the commit up in the fetched ref, and queue the
//! newest commit that is not marked to be skipped.

use crate::config::Project;
use crate::model::{CommitId, CommitStatus, ProjectName, Quoted, RefChange};
use crate::report::texts::{Fault, Live, Situation};
use crate::run::flow::checkout::fetch;
use crate::run::ground::contained::{Broke, contained};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::ids::{new_key, now_ms};
use crate::run::ground::keyed_tasks::KeyedTasks;
use crate::run::ground::work_record::{Fetched, Fetching};
use crate::run::incoming::skip;
use crate::source::{CommitInfo, FetchError};
use crate::store::{Delivery, DeliveryOutcome, Deployment, NewDeployment, NewStatus, Trigger};
use anyhow::Context;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A ref that cannot be fetched is tried this often before the delivery counts as failed; the comparison of tips goes
/// on trying after that.
const MOST_ATTEMPTS: i64 = 8;
/// A ref that ends whoever fetches it is tried once more.
const MOST_DEATHS: i64 = 2;

/// Judges deliveries until the process ends: those of one project in their order, projects side by side, so that a
/// repository that does not answer holds up only its own.
pub async fn judge_deliveries(deployer: Arc<Deployer>) {
    let mut judging: KeyedTasks<ProjectName> = KeyedTasks::new();
    while !deployer.stop.is_cancelled() {
        let wait = match begin_judging(&deployer, &mut judging).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "Deliveries cannot be judged");
                Duration::from_secs(5)
            }
        };
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.bells.to_judge.notified() => {}
            () = judging.ended() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    judging.all_ended().await;
}

/// Returns when to look again, unless something happens before.
async fn begin_judging(deployer: &Arc<Deployer>, judging: &mut KeyedTasks<ProjectName>) -> anyhow::Result<Duration> {
    let (due, later) = deployer.store.deliveries_to_judge(now_ms()).await?;
    let mut by_project: BTreeMap<ProjectName, Vec<Delivery>> = BTreeMap::new();
    for delivery in due {
        by_project.entry(delivery.project.clone()).or_default().push(delivery);
    }
    for (project, deliveries) in by_project {
        if !judging.is_busy(&project) {
            judging.begin(project, judge_in_order(deployer.clone(), deliveries));
        }
    }
    let until = later.map(|at| Duration::from_millis((at - now_ms()).max(0) as u64));
    Ok(until.unwrap_or(Duration::from_secs(60)).min(Duration::from_secs(60)))
}

async fn judge_in_order(deployer: Arc<Deployer>, deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        match contained(judge(&deployer, &delivery)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    delivery.id = %delivery.id, error = format!("{error:#}"), "A delivery could not be judged"
                );
                put_off(&deployer, &delivery, &format!("{error:#}")).await;
            }
            Err(broke) => after_a_panic(&deployer, &delivery, &broke).await,
        }
        if deployer.stop.is_cancelled() {
            return;
        }
    }
}

/// It may have been the moment's doing; but not again and again.
async fn after_a_panic(deployer: &Deployer, delivery: &Delivery, broke: &Broke) {
    tracing::error!(delivery.id = %delivery.id, error = %broke, "A delivery could not be judged");
    if delivery.attempts + 1 < MOST_ATTEMPTS {
        return put_off(deployer, delivery, &broke.to_string()).await;
    }
    let why = deployer.mask_of_project(&delivery.project).sentence(&broke.to_string());
    if let Err(error) = deployer.store.judge_delivery(delivery.number, DeliveryOutcome::Failed, why).await {
        tracing::error!(delivery.id = %delivery.id, error = %error, "What became of a delivery could not be noted");
    }
}

async fn put_off(deployer: &Deployer, delivery: &Delivery, reason: &str) {
    let seconds = 2i64.saturating_pow(delivery.attempts.clamp(0, 8) as u32 + 1).min(300);
    let reason = deployer.mask_of_project(&delivery.project).sentence(reason);
    if let Err(error) = deployer.store.put_off_delivery(delivery.number, &reason, now_ms() + seconds * 1000).await {
        tracing::error!(delivery.id = %delivery.id, error = %error, "A delivery could not be put off");
    }
}

async fn judge(deployer: &Deployer, delivery: &Delivery) -> anyhow::Result<()> {
    let config = deployer.fresh_config().await;
    let say = async |outcome, reason: String| {
        let reason = deployer.mask_of_project(&delivery.project).sentence(&reason);
        tracing::info!(delivery.id = %delivery.id, project = %delivery.project, reason, "A delivery is judged");
        deployer.store.judge_delivery(delivery.number, outcome, reason).await
    };
    let Some(project) = config.projects.get(&delivery.project) else {
        say(DeliveryOutcome::Ignored, "its project is no longer in launchway.toml".into()).await?;
        return Ok(());
    };
    let Some(change) = delivery.event.as_ref().and_then(|event| event.kind.change()) else {
        say(DeliveryOutcome::Ignored, "it deploys nothing".into()).await?;
        return Ok(());
    };
    if project.wanting(&change.reference).next().is_none() {
        let reason = format!("no environment wants {}", Quoted(change.reference.short()));
        say(DeliveryOutcome::Ignored, reason).await?;
        return Ok(());
    }
    let fetching = Fetching::begin(change.reference.short());
    if let Err(error) = fetch(deployer, project, vec![change.reference.clone()], &deployer.stop).await {
        if deployer.stop.is_cancelled() {
            return Ok(());
        }
        let why = error.to_string();
        // The forge has just said that the repository is there: where it is not found, it may be on the move.
        let may_pass = error.is_worth_retrying() || matches!(error, FetchError::NotFound { .. });
        let most = if matches!(error, FetchError::Broke { .. }) { MOST_DEATHS } else { MOST_ATTEMPTS };
        if delivery.attempts + 1 < most && may_pass {
            tracing::warn!(delivery.id = %delivery.id, project = %project.name, why, "A ref could not be fetched; it is tried again");
            put_off(deployer, delivery, &why).await;
            if delivery.attempts == 0 {
                tell_commit(deployer, project, delivery, (change, change.known_commit()), &Told::NotYet(&why)).await?;
            }
            return Ok(());
        }
        tell_commit(deployer, project, delivery, (change, change.known_commit()), &Told::Never(&why)).await?;
        say(DeliveryOutcome::Failed, why).await?;
        return Ok(());
    }
    let fetched = fetching.ended();
    failpoint("delivery.fetched");
    let (outcome, reason) = match deployer.mirrors.tip(&project.name, &change.reference)? {
        None => {
            let reason = format!("{} is gone from the repository", Quoted(change.reference.short()));
            if delivery.attempts > 0 {
                let named = change.known_commit();
                tell_commit(deployer, project, delivery, (change, named), &Told::Never(&reason)).await?;
            }
            (DeliveryOutcome::Ignored, reason)
        }
        Some(tip) => {
            deployer.store.note_tip(&project.name, &change.reference, &tip, now_ms()).await?;
            let named = named_commit(deployer, project, change)?;
            if let Some(named) = named.as_ref().filter(|named| delivery.commit.as_ref() != Some(*named)) {
                deployer.store.note_delivery_commit(delivery.number, named).await?;
            }
            let named = named.as_ref();
            let decided = decide(deployer, project, delivery, (change, named), &tip, &fetched).await?;
            if delivery.attempts > 0 {
                let told = match named == Some(&tip) {
                    true => Told::Skipped(mark_of(deployer, project, &tip)?),
                    false => Told::Superseded(&tip),
                };
                tell_commit(deployer, project, delivery, (change, named), &told).await?;
            }
            decided
        }
    };
    failpoint("delivery.decided");
    say(outcome, reason).await?;
    failpoint("delivery.judged");
    Ok(())
}

/// What a commit is told of a delivery that names it, while no deployment can speak for it.
enum Told<'a> {
    NotYet(&'a str),
    Never(&'a str),
    /// It was told that it waits, and now the ref has a newer tip.
    Superseded(&'a CommitId),
    /// It was told that it waits, and says itself, by this mark, that it is not to be deployed.
    Skipped(&'static str),
}

/// The commit that a delivery names, now that its ref is in the mirror. Of a tag whose commit the forge does not say it is
/// the one behind the tag object; `None` where the tag has moved on and that object never came.
fn named_commit(deployer: &Deployer, project: &Project, change: &RefChange) -> anyhow::Result<Option<CommitId>> {
    match change.known_commit() {
        Some(known) => Ok(Some(known.clone())),
        None => Ok(deployer.mirrors.peeled(&project.name, &change.after)?),
    }
}

/// The mark in the message of a tip that no deployment was made of.
fn mark_of(deployer: &Deployer, project: &Project, tip: &CommitId) -> anyhow::Result<&'static str> {
    let commit = deployer.mirrors.commit(&project.name, tip)?;
    Ok(skip::mark_in(&commit.message).unwrap_or("to leave it alone"))
}

/// A status on the commit that the delivery names, for each environment that wants its ref and has no deployment of
/// that commit, which speaks for itself. Where it is not known which commit that is, nobody is told: a tag object has no
/// statuses.
async fn tell_commit(
    deployer: &Deployer,
    project: &Project,
    delivery: &Delivery,
    (change, named): (&RefChange, Option<&CommitId>),
    told: &Told<'_>,
) -> anyhow::Result<()> {
    let config = deployer.config();
    let Some(commit) = named else { return Ok(()) };
    for environment in project.wanting(&change.reference) {
        let mask = deployer.mask_of(&project.name, &environment.name);
        if deployer.store.was_deployed(&project.name, &environment.name, commit).await? {
            continue;
        }
        let live = match deployer.store.live(&project.name, &environment.name).await? {
            Some(live) => Live::Release(live.release),
            None => Live::Nothing,
        };
        let (state, sentence) = match told {
            Told::NotYet(why) => {
                let situation = Situation::NotFetched { why };
                (situation.state(), situation.brief(&mask))
            }
            Told::Never(why) => {
                let situation = Situation::Failed { fault: Fault::Host, what: why, last_line: None, live };
                (situation.state(), situation.brief(&mask))
            }
            Told::Superseded(by) => {
                let situation = Situation::Superseded { by, live };
                (situation.state(), situation.brief(&mask))
            }
            Told::Skipped(mark) => {
                let situation = Situation::Skipped { mark, live };
                (situation.state(), situation.brief(&mask))
            }
        };
        let status = CommitStatus {
            commit: commit.clone(),
            context: config.status_context(project, &environment.name),
            state,
            description: mask.sentence(&sentence),
            target_url: Some(deployer.delivery_page(&delivery.page_key)),
            reference: Some(change.reference.short().to_string()),
        };
        let new = NewStatus { project: project.name.clone(), deployment: None, status };
        deployer.store.queue_status(new, now_ms()).await?;
    }
    deployer.bells.to_send.notify_one();
    Ok(())
}

async fn decide(
    deployer: &Deployer,
    project: &Project,
    delivery: &Delivery,
    (change, named): (&RefChange, Option<&CommitId>),
    tip: &CommitId,
    fetched: &Fetched,
) -> anyhow::Result<(DeliveryOutcome, String)> {
    let short = Quoted(change.reference.short());
    let Some(newest) = deployer.commit_of_ref(&project.name, &change.reference)? else {
        return Ok((DeliveryOutcome::Ignored, format!("every recent commit of {short} is marked to be skipped")));
    };
    let is_on_ref = match (named, change.reference.tag()) {
        (None, _) => false,
        // A tag is one commit, and not what lies behind it.
        (Some(named), Some(_)) => named == tip,
        (Some(named), None) => deployer.mirrors.contains(&project.name, &change.reference, named)?,
    };
    // A tag object is nobody's name for a commit.
    let named_text = named.map_or_else(|| "what the delivery names".to_string(), |named| named.short().to_string());
    let mut said: Vec<(DeliveryOutcome, String)> = Vec::new();
    for environment in project.wanting(&change.reference) {
        let asked_for = open_or_live(deployer, project, delivery, &environment.name, &newest).await?;
        if let Some((outcome, reason)) = asked_for {
            said.push((outcome, format!("{}: {reason}", environment.name)));
            continue;
        }
        let trigger = if delivery.found { Trigger::Found } else { trigger_of(deployer, delivery).await? };
        let new = NewDeployment {
            project: project.name.clone(),
            environment: environment.name.clone(),
            commit: newest.id.clone(),
            subject: newest.subject().chars().take(200).collect(),
            reference: Some(change.reference.clone()),
            trigger,
            asked_by: delivery.sender.clone().unwrap_or_else(|| "a push".into()),
            delivery: Some(delivery.number),
            release: None,
            page_key: new_key()?,
            rebuild: false,
            pull: false,
            now_reason: None,
            fresh_volumes: Vec::new(),
        };
        let added = deployer.enqueue(new).await.context("queueing a deployment")?;
        deployer.works.note(fetched.as_work_of(added.id));
        let mut reason = format!("{}: deployment {} of {}", environment.name, added.id, newest.id.short());
        if newest.id != *tip {
            reason.push_str(&format!(
                " (the newest commit that is not marked to be skipped; the tip is {})",
                tip.short()
            ));
        } else if !is_on_ref && change.reference.tag().is_some() {
            reason.push_str(&format!(" ({short} is there now; the delivery is of where it was before)"));
        } else if !is_on_ref {
            reason.push_str(&format!(" (the tip of {short}; {named_text} is not on it)"));
        } else if named != Some(&newest.id) {
            reason.push_str(&format!(" (newer than {named_text}, which the delivery names)"));
        }
        said.push((DeliveryOutcome::Deploys, reason));
    }
    let rank = |outcome: &DeliveryOutcome| match outcome {
        DeliveryOutcome::Deploys => 0,
        DeliveryOutcome::Known => 1,
        _ => 2,
    };
    said.sort_by_key(|(outcome, _)| rank(outcome));
    let outcome = said.first().map_or(DeliveryOutcome::Ignored, |(outcome, _)| *outcome);
    let is_skipped = named == Some(tip) && newest.id != *tip;
    let (outcome, before) = match outcome {
        DeliveryOutcome::Deploys => (outcome, String::new()),
        _ if !is_on_ref => (DeliveryOutcome::Superseded, format!("{named_text} is not on {short}; ")),
        _ if is_skipped => (DeliveryOutcome::Ignored, format!("{} is marked to be skipped; ", tip.short())),
        DeliveryOutcome::Known if named != Some(&newest.id) => (DeliveryOutcome::Superseded, String::new()),
        other => (other, String::new()),
    };
    let reasons: Vec<String> = said.into_iter().map(|(_, reason)| reason).collect();
    Ok((outcome, format!("{before}{}", reasons.join("; "))))
}

/// What the newest commit is already: live, running or waiting. What failed, was put back or cancelled is tried again.
async fn open_or_live(
    deployer: &Deployer,
    project: &Project,
    delivery: &Delivery,
    environment: &crate::model::EnvironmentName,
    newest: &CommitInfo,
) -> anyhow::Result<Option<(DeliveryOutcome, String)>> {
    let open = deployer.store.open_deployments().await?;
    let here = |d: &&Deployment| d.project == project.name && d.environment == *environment && d.commit == newest.id;
    if let Some(deployment) = open.iter().rev().find(here) {
        // Its own deployment, where a crash came between queueing it and saying so.
        if deployment.delivery == Some(delivery.number) {
            let reason = format!("deployment {} of {}", deployment.id, newest.id.short());
            return Ok(Some((DeliveryOutcome::Deploys, reason)));
        }
        let reason = format!("deployment {} of {} is {}", deployment.id, newest.id.short(), deployment.state);
        return Ok(Some((DeliveryOutcome::Known, reason)));
    }
    // What waits or runs there is of another commit and older: the branch decides what is newest.
    let is_newest_wanted = !open.iter().any(|d| d.project == project.name && d.environment == *environment);
    let Some(live) = deployer.store.live(&project.name, environment).await?.filter(|_| is_newest_wanted) else {
        return Ok(None);
    };
    let release = deployer.store.release(live.release).await?;
    Ok(release.filter(|release| release.commit == newest.id).map(|release| {
        (DeliveryOutcome::Known, format!("{} is live already (release {})", newest.id.short(), release.id))
    }))
}

/// A delivery that was judged before and is judged again was sent again.
async fn trigger_of(deployer: &Deployer, delivery: &Delivery) -> anyhow::Result<Trigger> {
    let before = deployer.store.deployments_of_delivery(delivery.number).await?;
    Ok(if before.is_empty() { Trigger::Push } else { Trigger::Redelivery })
}
