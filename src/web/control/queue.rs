//! The queue with its plan, and what people asked for.

use super::answer::{Answer, answer};
use super::deployments::Filter;
use super::reports::{summary, time};
use crate::run::{Deployer, Queue, Refusal};
use crate::store::{AuditEntry, Deployment};
use crate::web::wire::{AuditReport, QueueReport, QueuedReport};
use axum::extract::{Query, State};
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn queue(State(deployer): State<Arc<Deployer>>) -> Answer<QueueReport> {
    answer(&deployer, queued(&deployer).await)
}

async fn queued(deployer: &Deployer) -> Result<QueueReport, Refusal> {
    let Queue { begun, ready, held, unapproved, .. } = deployer.queue().await?;
    let report = async |deployment: &Deployment| QueuedReport {
        priority: deployer.priority_of(deployment),
        waits_for_yes: unapproved.contains(&deployment.id),
        summary: summary(deployer, deployment).await,
    };
    let reports = async |list: Vec<Deployment>| join_all(list.iter().map(&report)).await;
    let slots = deployer.config().limits.deployments;
    Ok(QueueReport { slots, begun: reports(begun).await, ready: reports(ready).await, held: reports(held).await })
}

pub async fn audit(State(deployer): State<Arc<Deployer>>, Query(filter): Query<Filter>) -> Answer<Vec<AuditReport>> {
    let most = filter.limit.unwrap_or(50).min(1000);
    let names = deployer.names_of_the_past(filter.project.as_deref(), filter.environment.as_deref()).await;
    let found = match names {
        Ok((project, environment)) => {
            deployer.store.audit(project.as_ref(), environment.as_ref(), most).await.map_err(Refusal::from)
        }
        Err(refusal) => Err(refusal),
    };
    let report = |entry: AuditEntry| {
        let mask = deployer.mask_of(&entry.project, &entry.environment);
        AuditReport {
            at: time(entry.at_ms),
            by: mask.apply(&entry.by),
            action: entry.action.word().to_string(),
            project: entry.project,
            environment: entry.environment,
            deployment: entry.deployment,
            reason: entry.reason.map(|reason| mask.apply(&reason)),
        }
    };
    answer(&deployer, found.map(|list| list.into_iter().map(report).collect()))
}
