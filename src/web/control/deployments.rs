//! Deployments, one of them, and its log.

use super::answer::{Answer, answer};
use super::reports::{details, images, summary};
use crate::model::{DeploymentId, EnvironmentName, ProjectName};
use crate::run::{Deployer, Refusal};
use crate::store::Deployment;
use crate::web::wire::{DeploymentDetails, DeploymentSummary, LogPiece};
use axum::extract::{Path, Query, State};
use futures_util::future::join_all;
use serde::Deserialize;
use std::sync::Arc;

/// Bytes of a log in one answer: longer than any line.
const PIECE: usize = 256 * 1024;

#[derive(Deserialize)]
pub struct Filter {
    pub project: Option<ProjectName>,
    pub environment: Option<EnvironmentName>,
    /// How many, the newest.
    pub limit: Option<u32>,
}

pub async fn list(
    State(deployer): State<Arc<Deployer>>,
    Query(filter): Query<Filter>,
) -> Answer<Vec<DeploymentSummary>> {
    let most = filter.limit.unwrap_or(20).min(1000);
    let found = deployer.store.deployments(filter.project.as_ref(), filter.environment.as_ref(), most).await;
    let found = match found {
        Ok(list) => Ok(join_all(list.iter().map(|deployment| summary(&deployer, deployment))).await),
        Err(error) => Err(Refusal::from(error)),
    };
    answer(&deployer, found)
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
