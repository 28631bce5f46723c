//! What came, and running one of them again.

use super::answer::{Answer, answer};
use super::reports::delivery;
use crate::model::ProjectName;
use crate::run::{Deployer, Refusal};
use crate::web::wire::DeliverySummary;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub struct Filter {
    project: Option<ProjectName>,
    /// 20 where absent.
    limit: Option<u32>,
}

pub async fn list(State(deployer): State<Arc<Deployer>>, Query(filter): Query<Filter>) -> Answer<Vec<DeliverySummary>> {
    let found = deployer.store.deliveries(filter.project.as_ref(), filter.limit.unwrap_or(20).min(1000)).await;
    let found = found.map(|list| list.iter().map(|one| delivery(&deployer, one)).collect());
    answer(&deployer, found.map_err(Refusal::from))
}

/// By its number here, or the forge's id.
pub async fn redeliver(State(deployer): State<Arc<Deployer>>, Path(id): Path<String>) -> Answer<Vec<DeliverySummary>> {
    let found = deployer.ask_to_redeliver(&id).await;
    answer(&deployer, found.map(|list| list.iter().map(|one| delivery(&deployer, one)).collect()))
}
