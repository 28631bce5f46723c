//! `GET /v1/insights`: what the past of each environment tells.

use super::answer::{Answer, answer};
use crate::plan::insights::{Finding, insights};
use crate::run::{Deployer, MOST_INSIGHT_DAYS, Refusal};
use crate::web::wire::{EnvironmentInsights, InsightsReport};
use axum::extract::{Query, State};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub struct Asked {
    /// All where absent.
    project: Option<String>,
    /// All where absent; only with a project.
    environment: Option<String>,
    /// 1 to [`MOST_INSIGHT_DAYS`].
    days: u32,
}

pub async fn insights_report(
    State(deployer): State<Arc<Deployer>>,
    Query(asked): Query<Asked>,
) -> Answer<InsightsReport> {
    answer(&deployer, report(&deployer, asked).await)
}

async fn report(deployer: &Deployer, asked: Asked) -> Result<InsightsReport, Refusal> {
    let Asked { project, environment, days } = asked;
    if days == 0 || days > MOST_INSIGHT_DAYS {
        return Err(Refusal::Impossible(format!("{days} days: 1 to {MOST_INSIGHT_DAYS} can be looked at")));
    }
    let mut environments = Vec::new();
    for (project, environment) in deployer.find_environments(project.as_deref(), environment.as_deref())? {
        let (history, more) = deployer.history(&project.name, &environment.name, days).await?;
        let deployments = history.deployments.len();
        // Over a long past that is work for more than a moment.
        let told = tokio::task::spawn_blocking(move || insights(&history)).await;
        let mut insights = told.map_err(|error| Refusal::Failed(error.into()))?;
        let mask = deployer.mask_of(&project.name, &environment.name);
        for Finding { what, evidence, change } in &mut insights.findings {
            for text in [what, evidence, change] {
                *text = mask.sentence(text);
            }
        }
        let (project, environment) = (project.name, environment.name);
        environments.push(EnvironmentInsights { project, environment, deployments, more, insights });
    }
    Ok(InsightsReport { days, environments })
}
