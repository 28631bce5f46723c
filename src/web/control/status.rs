//! `GET /v1/status`: what is live where, what runs and waits, and whether engine and forges answer.

use super::answer::{Answer, answer};
use super::reports::{images, summary, time};
use crate::config::{Environment, Project};
use crate::model::DeploymentState;
use crate::run::{Deployer, Refusal};
use crate::store::Deployment;
use crate::web::wire::{EngineReport, EnvironmentReport, LiveReport, OutboxReport, StatusReport};
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;

const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// Far enough back to find one that has ended.
const LOOK_BACK: u32 = 20;

pub async fn status(State(deployer): State<Arc<Deployer>>) -> Answer<StatusReport> {
    answer(&deployer, report(&deployer).await)
}

async fn report(deployer: &Deployer) -> Result<StatusReport, Refusal> {
    let config = deployer.config();
    let open = deployer.store.open_deployments().await?;
    let mut environments = Vec::new();
    for project in config.projects.values() {
        for environment in project.environments.values() {
            environments.push(environment_report(deployer, project, environment, &open).await?);
        }
    }
    let (unsent, last_error) = deployer.store.unsent_statuses().await?;
    Ok(StatusReport {
        version: env!("CARGO_PKG_VERSION").to_string(),
        engine: engine(deployer).await,
        outbox: OutboxReport { unsent, last_error: last_error.map(|why| deployer.mask().apply(&why)) },
        environments,
    })
}

async fn environment_report(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
    open: &[Deployment],
) -> Result<EnvironmentReport, Refusal> {
    let here = |d: &&Deployment| d.project == project.name && d.environment == environment.name;
    let is_waiting = |d: &&Deployment| d.state == DeploymentState::Waiting;
    let running = open.iter().filter(here).find(|d| !is_waiting(d));
    let waiting = open.iter().rev().filter(here).filter(is_waiting);
    let recent = deployer.store.deployments(Some(&project.name), Some(&environment.name), LOOK_BACK).await?;
    Ok(EnvironmentReport {
        project: project.name.clone(),
        environment: environment.name.clone(),
        deploys: environment.branches.iter().chain(&environment.tags).map(|p| p.text.clone()).collect(),
        live: live(deployer, project, environment).await?,
        running: running.map(|d| summary(deployer, d)),
        waiting: waiting.map(|d| summary(deployer, d)).collect(),
        last: recent.iter().find(|d| d.state.is_end()).map(|d| summary(deployer, d)),
    })
}

async fn live(
    deployer: &Deployer,
    project: &Project,
    environment: &Environment,
) -> Result<Option<LiveReport>, Refusal> {
    let Some(live) = deployer.store.live(&project.name, &environment.name).await? else { return Ok(None) };
    let Some(release) = deployer.store.release(live.release).await? else { return Ok(None) };
    let by = deployer.store.deployment(live.deployment).await?;
    Ok(Some(LiveReport {
        release: live.release,
        commit: release.commit,
        subject: by.as_ref().map(|d| deployer.mask().apply(&d.subject)).unwrap_or_default(),
        deployment: live.deployment,
        since: by.and_then(|d| d.ended_ms).map(time),
        images: images(deployer.store.images_of(live.release).await?),
    }))
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
        Ok(Err(error)) => none(deployer.mask().apply(&error.to_string())),
        Err(_) => none(format!("it does not answer within {} s", ENGINE_ANSWERS_WITHIN.as_secs())),
    }
}
