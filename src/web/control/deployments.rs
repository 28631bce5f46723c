//! Deployments, one of them, its log, and releases.

use super::answer::{Answer, answer};
use super::reports::{details, images, summary, time};
use crate::model::DeploymentId;
use crate::run::{Deployer, Refusal};
use crate::store::{Deployment, ListedRelease};
use crate::web::wire::{DeploymentDetails, DeploymentSummary, LogPiece, ReleaseSummary};
use axum::extract::{Path, Query, State};
use futures_util::future::{join_all, try_join_all};
use serde::Deserialize;
use std::sync::Arc;

/// Bytes of a log in one answer: longer than any line.
const PIECE: usize = 256 * 1024;

#[derive(Deserialize)]
pub struct Filter {
    pub project: Option<String>,
    pub environment: Option<String>,
    /// How many, the newest.
    pub limit: Option<u32>,
    /// Only the one that has this number in the environment.
    pub number: Option<i64>,
}

pub async fn list(
    State(deployer): State<Arc<Deployer>>,
    Query(filter): Query<Filter>,
) -> Answer<Vec<DeploymentSummary>> {
    answer(&deployer, found(&deployer, &filter).await)
}

async fn found(deployer: &Deployer, filter: &Filter) -> Result<Vec<DeploymentSummary>, Refusal> {
    let names = deployer.names_of_the_past(filter.project.as_deref(), filter.environment.as_deref()).await?;
    let list = match (filter.number, &names.1) {
        (Some(number), Some(environment)) => {
            let ids = deployer.store.numbered(names.0.as_ref(), environment, number).await?;
            let found = try_join_all(ids.into_iter().map(|id| deployer.store.deployment(id))).await?;
            found.into_iter().flatten().collect()
        }
        _ => {
            let most = filter.limit.unwrap_or(20).min(1000);
            deployer.store.deployments(names.0.as_ref(), names.1.as_ref(), most).await?
        }
    };
    Ok(join_all(list.iter().map(|deployment| summary(deployer, deployment))).await)
}

/// Releases, the newest first.
pub async fn releases(
    State(deployer): State<Arc<Deployer>>,
    Query(filter): Query<Filter>,
) -> Answer<Vec<ReleaseSummary>> {
    answer(&deployer, listed_releases(&deployer, &filter).await)
}

async fn listed_releases(deployer: &Deployer, filter: &Filter) -> Result<Vec<ReleaseSummary>, Refusal> {
    let names = deployer.names_of_the_past(filter.project.as_deref(), filter.environment.as_deref()).await?;
    let most = filter.limit.unwrap_or(20).min(1000);
    let list = deployer.store.listed_releases(names.0.as_ref(), names.1.as_ref(), most).await?;
    let report = |release: ListedRelease| ReleaseSummary {
        subject: deployer.mask_of(&release.project, &release.environment).apply(&release.subject),
        release: release.id,
        project: release.project,
        environment: release.environment,
        commit: release.commit,
        created_at: time(release.created_ms),
        deployment: release.deployment,
        live_at: release.live_ms.map(time),
        live: release.is_live,
    };
    Ok(list.into_iter().map(report).collect())
}

pub async fn one(State(deployer): State<Arc<Deployer>>, Path(id): Path<i64>) -> Answer<DeploymentDetails> {
    answer(&deployer, read(&deployer, DeploymentId(id)).await)
}

pub async fn read(deployer: &Deployer, id: DeploymentId) -> Result<DeploymentDetails, Refusal> {
    let deployment = find(deployer, id).await?;
    let stages = deployer.store.stages(id).await?;
    let images = match deployment.release {
        Some(release) => {
            images(&deployer.mask_of_deployment(&deployment).await, deployer.store.images_of(release).await?)
        }
        None => Vec::new(),
    };
    Ok(details(deployer, &deployment, &stages, images).await)
}

async fn find(deployer: &Deployer, id: DeploymentId) -> Result<Deployment, Refusal> {
    let found = deployer.store.deployment(id).await?;
    found.ok_or_else(|| Refusal::NotFound(format!("there is no deployment {id}")))
}

#[derive(Deserialize)]
pub struct From {
    #[serde(default)]
    offset: u64,
}

pub async fn log(
    State(deployer): State<Arc<Deployer>>,
    Path(id): Path<i64>,
    Query(from): Query<From>,
) -> Answer<LogPiece> {
    answer(&deployer, piece(&deployer, DeploymentId(id), from.offset).await)
}

async fn piece(deployer: &Deployer, id: DeploymentId, offset: u64) -> Result<LogPiece, Refusal> {
    // First its state, then its lines: it writes its last line before it ends, and hooks that are told of it before
    // they count as told.
    let deployment = find(deployer, id).await?;
    let has_ended = deployment.state.is_end() && !deployer.has_hooks_to_tell(id).await?;
    let (logs, mask) = (deployer.logs.clone(), deployer.mask_of_deployment(&deployment).await);
    let reading = tokio::task::spawn_blocking(move || logs.read(id, offset, PIECE));
    let (text, next_offset) = reading.await.map_err(anyhow::Error::from)?.map_err(anyhow::Error::from)?;
    Ok(LogPiece { ended: has_ended && text.is_empty(), text: mask.sentence(&text), next_offset })
}
