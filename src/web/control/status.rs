//! `GET /v1/status`: what is live where, what runs and waits, and whether engine and forges answer.

use super::answer::{Answer, answer};
use super::reports::{images, summary, time};
use crate::config::{Environment, Project};
use crate::model::{DeploymentState, Health, Mask, Release};
use crate::plan::method::unmet;
use crate::plan::storage::LeftVolume;
use crate::run::{ComponentCondition, ConditionDetail, ConditionReport, Deployer, Refusal, Remains};
use crate::store::Deployment;
use crate::web::wire::{
    BeyondReport, ComponentReport, DegradedReport, EngineReport, EnvironmentReport, LeftVolumeReport, LiveReport,
    OrphanReport, OutboxReport, StatusReport,
};
use axum::extract::{Query, State};
use futures_util::future::{OptionFuture, join_all};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// Far enough back to find one that has ended.
const LOOK_BACK: u32 = 20;

#[derive(Deserialize)]
pub struct Asked {
    /// What was changed by hand too.
    #[serde(default)]
    drift: bool,
}

pub async fn status(State(deployer): State<Arc<Deployer>>, Query(asked): Query<Asked>) -> Answer<StatusReport> {
    let what = if asked.drift { ConditionDetail::Drift } else { ConditionDetail::Components };
    answer(&deployer, report(&deployer, what).await)
}

async fn report(deployer: &Deployer, what: ConditionDetail) -> Result<StatusReport, Refusal> {
    let config = deployer.config();
    let open = deployer.store.open_deployments().await?;
    let places = config.projects.values().flat_map(|project| project.environments.values().map(move |e| (project, e)));
    let environments =
        places.map(|(project, environment)| environment_report(deployer, project, environment, &open, what));
    // Side by side: an engine that does not answer is waited for once.
    let environments = futures_util::future::try_join_all(environments).await?;
    let (unsent, last_error) = deployer.store.unsent_statuses().await?;
    Ok(StatusReport {
        version: env!("CARGO_PKG_VERSION").to_string(),
        engine: engine(deployer).await,
        outbox: OutboxReport { unsent, last_error: last_error.map(|why| deployer.mask().sentence(&why)) },
        environments,
        orphans: orphans(deployer).await?,
    })
}

async fn orphans(deployer: &Deployer) -> Result<Vec<OrphanReport>, Refusal> {
    let mut reports = Vec::new();
    for orphan in deployer.orphans().await? {
        let remains = tokio::time::timeout(ENGINE_ANSWERS_WITHIN, deployer.remains(&orphan)).await;
        let remains = remains.ok().and_then(Result::ok);
        let running = remains.as_ref().map(|remains| remains.running.clone());
        let Remains { ports, hosts, volumes, .. } = remains.unwrap_or_default();
        reports.push(OrphanReport {
            project: orphan.project.name.clone(),
            environment: orphan.environment.name.clone(),
            release: orphan.release.id,
            running,
            ports: ports.into_iter().collect(),
            hosts: hosts.into_iter().collect(),
            volumes,
        });
    }
    Ok(reports)
}

async fn environment_report(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
    open: &[Deployment],
    what: ConditionDetail,
) -> Result<EnvironmentReport, Refusal> {
    let here = |d: &&Deployment| d.project == project.name && d.environment == environment.name;
    let is_waiting = |d: &&Deployment| d.state == DeploymentState::Waiting;
    let running = open.iter().filter(here).find(|d| !is_waiting(d));
    let waiting = open.iter().rev().filter(here).filter(is_waiting);
    let recent = deployer.store.deployments(Some(&project.name), Some(&environment.name), LOOK_BACK).await?;
    let (live, release) = live(deployer, project, environment).await?;
    let mask = deployer.mask_of(&project.name, &environment.name);
    let asked = deployer.stand(project, environment, release.as_ref(), what);
    let stand = tokio::time::timeout(ENGINE_ANSWERS_WITHIN, asked).await.ok().and_then(Result::ok);
    // Where nothing is live, no engine is needed to say so.
    let stand_of_nothing = || release.is_none().then(ConditionReport::default);
    let left_volumes = stand.as_ref().map(|stand| stand.left.iter().map(|left| left_volume(&mask, left)).collect());
    let (components, drift) = match stand.or_else(stand_of_nothing) {
        Some(stand) => {
            (Some(stand.components.into_iter().map(|stand| component(&mask, stand)).collect()), Some(stand.drift))
        }
        None => (None, None),
    };
    let drift = drift.filter(|_| what == ConditionDetail::Drift);
    let last = recent.iter().find(|d| d.state.is_end());
    Ok(EnvironmentReport {
        project: project.name.clone(),
        environment: environment.name.clone(),
        deploys: environment.branches.iter().chain(&environment.tags).map(|p| p.text.clone()).collect(),
        live,
        running: OptionFuture::from(running.map(|d| summary(deployer, d))).await,
        waiting: join_all(waiting.map(|d| summary(deployer, d))).await,
        last: OptionFuture::from(last.map(|d| summary(deployer, d))).await,
        components,
        degraded: degraded(deployer, project, environment, &mask).await?,
        paused: deployer
            .store
            .pause(&project.name, &environment.name)
            .await?
            .map(|pause| super::keep::paused(deployer, pause)),
        beyond: deployer
            .beyonds
            .of(project, environment)
            .map(|found| BeyondReport { what: found.what, lines: found.lines }),
        drift: drift.map(|all| all.into_iter().map(|one| super::keep::drift(&mask, one)).collect()),
        left_volumes,
        warnings: release.iter().flat_map(|release| warnings(&mask, release)).collect(),
    })
}

/// What people asked for in the Compose file and do not get.
fn warnings(mask: &Mask, release: &Release) -> Vec<String> {
    unmet(&release.stack).iter().map(|problem| mask.sentence(&problem.to_string())).collect()
}

fn left_volume(mask: &Mask, left: &LeftVolume) -> LeftVolumeReport {
    LeftVolumeReport { name: mask.apply(&left.name), was: left.was.iter().map(|was| mask.sentence(was)).collect() }
}

async fn live(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
) -> Result<(Option<LiveReport>, Option<Release>), Refusal> {
    let Some(live) = deployer.store.live(&project.name, &environment.name).await? else { return Ok((None, None)) };
    let Some(release) = deployer.store.release(live.release).await? else { return Ok((None, None)) };
    let by = deployer.store.deployment(live.deployment).await?;
    let mask = match &by {
        Some(by) => deployer.mask_of_deployment(by).await,
        None => deployer.mask_of(&project.name, &environment.name),
    };
    let report = LiveReport {
        release: live.release,
        commit: release.commit.clone(),
        subject: by.as_ref().map(|d| mask.apply(&d.subject)).unwrap_or_default(),
        deployment: live.deployment,
        since: by.and_then(|d| d.ended_ms).map(time),
        images: images(&mask, deployer.store.images_of(live.release).await?),
    };
    Ok((Some(report), Some(release)))
}

async fn degraded(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
    mask: &Mask,
) -> Result<Vec<DegradedReport>, Refusal> {
    let records = deployer.store.degraded(&project.name, &environment.name).await?;
    Ok(records.into_iter().map(|record| super::keep::degraded(mask, record)).collect())
}

fn component(mask: &Mask, stand: ComponentCondition) -> ComponentReport {
    let ComponentCondition { name, wanted, running, health, restarts, note } = stand;
    let health = health.and_then(|health| match health {
        Health::None => None,
        Health::Starting => Some("starting".to_string()),
        Health::Healthy => Some("healthy".to_string()),
        Health::Unhealthy => Some("unhealthy".to_string()),
    });
    let note = note.map(|note| mask.sentence(&note));
    ComponentReport { name, wanted, running, health, restarts, note }
}

async fn engine(deployer: &Deployer) -> EngineReport {
    let none = |problem: String| EngineReport {
        answers: false,
        version: None,
        api: None,
        platform: None,
        problem: Some(problem),
    };
    match tokio::time::timeout(ENGINE_ANSWERS_WITHIN, deployer.engine.info()).await {
        Ok(Ok(info)) => EngineReport {
            answers: true,
            version: Some(info.version),
            api: Some(info.api),
            platform: Some(info.platform),
            problem: None,
        },
        Ok(Err(error)) => none(deployer.mask().sentence(&error.with_place())),
        Err(_) => none(format!("it does not answer within {} s", ENGINE_ANSWERS_WITHIN.as_secs())),
    }
}
