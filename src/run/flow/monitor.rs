//! Stage monitor: watch what was replaced for a while before it counts as good.

use crate::model::{ComponentName, ContainerState, Health, Observed, ObservedContainer, Quoted, WorkKind, WorkOutcome};
use crate::run::flow::baking::Baking;
use crate::run::flow::deploy::Convergence;
use crate::run::ground::stage_error::StageError;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Watched this long where nothing else is said.
const BAKE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long it is watched: as launchway.toml has it, else as the commit has it. A commit cannot hold a slot of everybody's for
/// longer than a deployment may take (`longest`), whatever an earlier version let it say.
pub fn bake(set: Option<Duration>, asked: Option<Duration>, longest: Duration) -> Duration {
    set.unwrap_or_else(|| asked.unwrap_or(BAKE).min(longest))
}

/// Watches the replaced components until `bake` is over, or somebody is in a hurry. Jobs have ended and are not watched.
/// Returns the verdict on each that the edge leads to, as a sentence, where there was enough traffic for one.
pub async fn watch(
    convergence: &Convergence<'_>,
    replaced: &[ComponentName],
    bake: Duration,
    hurry: &CancellationToken,
) -> Result<Vec<String>, StageError> {
    if replaced.is_empty() || bake.is_zero() {
        return Ok(Vec::new());
    }
    let work = convergence.wanted.deployment.map(|id| convergence.deployer.works.begin(id, None, WorkKind::Bake, ""));
    let watched = look_until(convergence, replaced, bake, hurry).await;
    if let Some(work) = work {
        work.ended(match &watched {
            Ok(_) => WorkOutcome::Done,
            Err(StageError::Cancelled) => WorkOutcome::Cancelled,
            Err(_) => WorkOutcome::Failed,
        });
    }
    watched
}

async fn look_until(
    convergence: &Convergence<'_>,
    replaced: &[ComponentName],
    bake: Duration,
    hurry: &CancellationToken,
) -> Result<Vec<String>, StageError> {
    let log = convergence.log;
    log.line(None, &format!("watching for {} s", bake.as_secs_f64()));
    let mut restarts = restarts_of(&convergence.observe().await?);
    let end = Instant::now() + bake;
    let mut judges = Vec::new();
    for name in replaced {
        judges.extend(Baking::begin(convergence, name, bake).await?);
    }
    loop {
        let observed = convergence.observe().await?;
        for judge in &mut judges {
            judge.look(convergence).await?;
        }
        for name in replaced {
            let Err(setback) = look_at(convergence, name, &observed, &restarts).await else { continue };
            if !convergence.deployer.keeping.outages.explain_what_just_ended().await {
                return Err(setback);
            }
            log.line(None, "that was the engine's own end");
            convergence.converge(None).await?;
            restarts = restarts_of(&convergence.observe().await?);
            break;
        }
        if Instant::now() >= end {
            return Ok(judges.iter().filter_map(|judge| judge.conclude(log)).collect());
        }
        tokio::select! {
            () = convergence.cancel.cancelled() => return Err(StageError::Cancelled),
            () = hurry.cancelled() => {
                log.line(None, "a newer commit waits: watched no longer");
                return Ok(Vec::new());
            }
            () = tokio::time::sleep(LOOK_EVERY.min(end - Instant::now())) => {}
        }
    }
}

/// By the container's id.
fn restarts_of(observed: &Observed) -> BTreeMap<String, u64> {
    observed.containers.iter().map(|container| (container.id.clone(), container.restart_count)).collect()
}

async fn look_at(
    convergence: &Convergence<'_>,
    name: &ComponentName,
    observed: &Observed,
    restarts: &BTreeMap<String, u64>,
) -> Result<(), StageError> {
    let Some(release) = convergence.wanted.release else { return Ok(()) };
    let Some(component) = release.stack.components.get(name) else { return Ok(()) };
    if release.stack.is_job(name) || component.settings.job {
        return Ok(());
    }
    let own: Vec<&ObservedContainer> =
        observed.containers.iter().filter(|c| c.component == *name && c.release == Some(release.id)).collect();
    for container in &own {
        let before = restarts.get(&container.id).copied().unwrap_or(container.restart_count);
        let Some(wrong) = what_is_wrong(container, before) else { continue };
        let last_lines = convergence.deployer.engine.last_lines(&container.id, 20).await.unwrap_or_default();
        let why = format!("{name} {wrong} while it was watched");
        convergence.log.line(Some(name), &why);
        for line in &last_lines {
            convergence.log.line(Some(name), &format!("| {}", Quoted(line)));
        }
        return Err(StageError::Commit { component: Some(name.clone()), why, last_lines });
    }
    Ok(())
}

fn what_is_wrong(container: &ObservedContainer, restarts_before: u64) -> Option<String> {
    match container.state {
        ContainerState::Exited { code } => Some(format!("exited with code {code}")),
        ContainerState::Restarting => Some("keeps restarting".into()),
        ContainerState::Dead => Some("died".into()),
        _ if container.restart_count > restarts_before => Some("was restarted by the engine".into()),
        _ if container.health == Health::Unhealthy => Some("became unhealthy".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_bakes_no_longer_than_a_deployment_may_take_but_the_settings_may() {
        let (hour, years) = (Duration::from_secs(3600), Duration::from_secs(9_000_000_000));
        assert_eq!(bake(None, None, hour), BAKE);
        assert_eq!(bake(None, Some(Duration::from_secs(60)), hour), Duration::from_secs(60));
        assert_eq!(bake(None, Some(years), hour), hour);
        assert_eq!(bake(Some(2 * hour), Some(Duration::ZERO), hour), 2 * hour);
    }
}
