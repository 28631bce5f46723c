//! The page of one delivery: what came, what became of it and why.

use super::look::{self, Moment, mood};
use crate::run::Deployer;
use crate::store::DeliveryOutcome;
use askama::Template;

#[derive(Template)]
#[template(path = "pages/delivery.html")]
struct DeliveryPage {
    style: &'static str,
    mood: &'static str,
    refresh: bool,
    title: String,
    project: String,
    number: i64,
    outcome: &'static str,
    reason: String,
    forge: &'static str,
    event: String,
    kind: String,
    id: String,
    reference: Option<String>,
    commit: Option<String>,
    sender: Option<String>,
    found: bool,
    received: Moment,
    attempts: i64,
    deployments: Vec<DeploymentLine>,
}

struct DeploymentLine {
    link: String,
    id: i64,
    environment: String,
    mood: &'static str,
    state: String,
    sentence: String,
}

/// The page under an unguessable key; `None` where no delivery has it.
pub async fn delivery_page(deployer: &Deployer, key: &str) -> anyhow::Result<Option<String>> {
    let Some(delivery) = deployer.store.delivery_by_key(key).await? else { return Ok(None) };
    let deployments = deployer.store.deployments_of_delivery(delivery.number).await?;
    let mask = deployer.mask_of_project(&delivery.project);
    let is_open = deployments.iter().any(|deployment| !deployment.state.is_end());
    let mut lines = Vec::new();
    for deployment in &deployments {
        let mask = deployer.mask_of_deployment(deployment).await;
        lines.push(DeploymentLine {
            link: format!("/deployments/{}", deployment.page_key),
            id: deployment.id.0,
            environment: deployment.environment.to_string(),
            mood: mood(deployment.state),
            state: deployment.state.to_string(),
            sentence: mask.sentence(&deployment.description),
        });
    }
    let page = DeliveryPage {
        style: look::STYLE,
        mood: outcome_mood(delivery.outcome),
        refresh: is_open || delivery.outcome == DeliveryOutcome::Received,
        title: format!("{}: delivery {}", delivery.project, delivery.number),
        project: delivery.project.to_string(),
        number: delivery.number,
        outcome: delivery.outcome.word(),
        reason: match delivery.reason.is_empty() {
            true => sentence(delivery.outcome).to_string(),
            false => mask.sentence(&delivery.reason),
        },
        forge: delivery.forge.word(),
        event: mask.apply(&delivery.event_name),
        kind: delivery.kind.clone(),
        id: delivery.id.to_string(),
        reference: delivery.reference.as_ref().map(|reference| mask.apply(reference.short())),
        commit: delivery.commit.as_ref().map(ToString::to_string),
        sender: delivery.sender.as_deref().map(|sender| mask.apply(sender)),
        found: delivery.found,
        received: Moment::new(delivery.received_ms),
        attempts: delivery.attempts,
        deployments: lines,
    };
    Ok(Some(page.render()?))
}

fn outcome_mood(outcome: DeliveryOutcome) -> &'static str {
    use DeliveryOutcome::*;
    match outcome {
        Deploys => "good",
        Received => "busy",
        Ignored | Superseded | Known => "idle",
        Failed | Invalid | Refused => "bad",
    }
}

fn sentence(outcome: DeliveryOutcome) -> &'static str {
    use DeliveryOutcome::*;
    match outcome {
        Received => "It is stored; its ref is being fetched.",
        Deploys => "It is deployed.",
        Ignored => "It deploys nothing.",
        Superseded => "Something newer is live or waits.",
        Known => "What it asks for is live, runs or waits already.",
        Failed => "Its ref could not be fetched.",
        Invalid => "It could not be understood.",
        Refused => "It was not signed as it should be.",
    }
}
