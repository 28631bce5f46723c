//! A delivery that never came: the tip of each deployed ref is compared with what was received, and a missed push is
//! deployed like any other, marked as found.

use crate::config::Project;
use crate::model::{CommitId, DeliveryId, Event, EventKind, ProjectName, RefChange, RefName, RepositoryRef};
use crate::run::flow::checkout::remote_tips;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::{new_delivery_key, now_ms};
use crate::run::ground::keyed_tasks::KeyedTasks;
use crate::store::{Arrival, DeliveryOutcome, NewDelivery};
use std::sync::Arc;
use tokio::time::Instant;

/// What was ignored is kept this long, for people who look why; so long, too, the same delivery is known again.
const IGNORED_KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// Compares at start and then at the interval of the settings, until the process ends. Projects side by side: a
/// repository that does not answer holds up only its own.
pub async fn catch_up(deployer: Arc<Deployer>) {
    let mut comparing: KeyedTasks<ProjectName> = KeyedTasks::new();
    let mut next = Instant::now();
    while !deployer.stop.is_cancelled() {
        if Instant::now() >= next {
            let config = deployer.fresh_config().await;
            for project in config.projects.values() {
                if !comparing.is_busy(&project.name) {
                    comparing.begin(project.name.clone(), compare_or_say_why(deployer.clone(), project.clone()));
                }
            }
            if let Err(error) = deployer.store.forget_ignored(now_ms() - IGNORED_KEPT_MS).await {
                tracing::warn!(error = %error, "Old deliveries could not be forgotten");
            }
            next = Instant::now() + config.limits.catch_up;
        }
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = comparing.ended() => {}
            () = deployer.bells.to_compare.notified() => next = Instant::now(),
            () = tokio::time::sleep_until(next) => {}
        }
    }
    comparing.all_ended().await;
}

async fn compare_or_say_why(deployer: Arc<Deployer>, project: Project) {
    if let Err(error) = compare(&deployer, &project).await
        && !deployer.stop.is_cancelled()
    {
        let why = deployer.mask_of_project(&project.name).sentence(&format!("{error:#}"));
        tracing::warn!(project = %project.name, why, "The tips of a project could not be compared with what was received");
    }
}

async fn compare(deployer: &Deployer, project: &Project) -> anyhow::Result<()> {
    let first_time = !deployer.store.was_compared(&project.name).await?;
    let known = deployer.store.tips(&project.name).await?;
    let tips = remote_tips(deployer, project).await?;
    let now_known = deployer.store.tips(&project.name).await?;
    let mut to_note = Vec::new();
    for (reference, tip) in tips {
        let before = known.get(&reference);
        if before == Some(&tip) || before != now_known.get(&reference) {
            // Nothing new; or a delivery was judged just now, and what the remote said may be older.
            continue;
        }
        if project.wanting(&reference).next().is_none() {
            // Known all the same: an environment that comes to want it later does not deploy by itself.
            to_note.push((reference, tip));
        } else if first_time {
            // Nor does a project that is seen for the first time.
            tracing::info!(project = %project.name, reference = %reference, commit = %tip, "The tip of a new project is noted; the next push deploys");
            to_note.push((reference, tip));
        } else {
            found(deployer, project, reference, before.cloned(), tip).await?;
        }
    }
    if !to_note.is_empty() {
        deployer.store.note_tips(&project.name, to_note, now_ms()).await?;
    }
    if first_time {
        deployer.store.note_compared(&project.name, now_ms()).await?;
    }
    Ok(())
}

async fn found(
    deployer: &Deployer,
    project: &Project,
    reference: RefName,
    before: Option<CommitId>,
    tip: CommitId,
) -> anyhow::Result<()> {
    // The delivery may be on its way: what is being judged is not found a second time.
    let (due, _) = deployer.store.deliveries_to_judge(i64::MAX).await?;
    let is_coming = due.iter().any(|d| d.project == project.name && d.reference.as_ref() == Some(&reference));
    // Or it was judged since the tip was read: that notes the tip before it is no longer to be judged.
    if is_coming || deployer.store.tips(&project.name).await?.get(&reference) == Some(&tip) {
        return Ok(());
    }
    tracing::info!(project = %project.name, reference = %reference, commit = %tip, "A push was found whose delivery never came");
    let (after, commit) = (tip.clone(), tip.clone());
    let change = RefChange { reference: reference.clone(), before, after, commit, commit_is_told: true, message: None };
    let kind = if reference.tag().is_some() { EventKind::Tag(change) } else { EventKind::Push(change) };
    let word = kind.word().to_string();
    let new = NewDelivery {
        project: project.name.clone(),
        // The same tip at the same time of day is found once; a branch that comes back to a commit is found again.
        id: DeliveryId::new(format!("found-{}-{}", tip.short(), now_ms()))?,
        forge: project.forge,
        event_name: "found by comparing tips".into(),
        kind: word,
        event: Some(Event {
            kind,
            repository: Some(RepositoryRef { full_name: project.full_name.clone(), id: None }),
            sender: None,
        }),
        found: true,
        outcome: DeliveryOutcome::Received,
        reason: "found by comparing tips".into(),
        page_key: new_delivery_key(now_ms())?,
    };
    if let Arrival::New(_) = deployer.store.add_delivery(new, now_ms()).await? {
        deployer.bells.to_judge.notify_one();
    }
    Ok(())
}
