//! From what the store and the flow have to what the API says.

use crate::config::{Environment, Project};
use crate::model::{CommitId, ImageIdentity, Mask, RefName, Release, ReleaseId};
use crate::plan::Plan;
use crate::plan::changes::ComponentChange;
use crate::run::{Comparison, Deployer, Refusal, Rollback, now_ms};
use crate::source::CommitInfo;
use crate::store::{Delivery, Deployment, ReleaseImage, StageRecord};
use crate::web::wire::{
    Against, ComponentPlan, DeliverySummary, DeploymentDetails, DeploymentSummary, ImageReport, PlanReport,
    RollbackRelease, RollbackReport, StageReport,
};
use jiff::Timestamp;

pub fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

pub async fn summary(deployer: &Deployer, deployment: &Deployment) -> DeploymentSummary {
    let mask = deployer.mask_of_deployment(deployment).await;
    DeploymentSummary {
        id: deployment.id,
        number: deployment.number,
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        state: deployment.state,
        ended: deployment.state.is_end(),
        description: mask.sentence(&deployment.description),
        commit: deployment.commit.clone(),
        subject: mask.apply(&deployment.subject),
        reference: deployment.reference.clone(),
        trigger: deployment.trigger.word().to_string(),
        asked_by: mask.apply(&deployment.asked_by),
        release: deployment.release,
        created_at: time(deployment.created_ms),
        started_at: deployment.started_ms.map(time),
        ended_at: deployment.ended_ms.map(time),
        page: deployer.page(&deployment.page_key),
    }
}

pub async fn details(
    deployer: &Deployer,
    deployment: &Deployment,
    stages: &[StageRecord],
    images: Vec<ImageReport>,
) -> DeploymentDetails {
    let mask = deployer.mask_of_deployment(deployment).await;
    DeploymentDetails {
        summary: summary(deployer, deployment).await,
        previous: deployment.previous,
        cancelled_by: deployment.cancelled_by.as_deref().map(|by| mask.apply(by)),
        now_reason: deployment.now_reason.as_deref().map(|reason| mask.apply(reason)),
        fresh_volumes: deployment.fresh_volumes.iter().map(|name| mask.apply(name)).collect(),
        asks: deployment.asks.iter().map(|ask| mask.sentence(ask)).collect(),
        last_lines: deployment.last_lines.lines.iter().map(|line| mask.sentence(line)).collect(),
        last_lines_of: deployment.last_lines.component.clone(),
        approved_by: deployment.approved_by.as_deref().map(|by| mask.apply(by)),
        rebuild: deployment.rebuild,
        pull: deployment.pull,
        delivery: deployment.delivery,
        stages: stages.iter().map(stage).collect(),
        plan: mask.sentence(&deployment.plan).lines().map(str::to_string).collect(),
        images,
    }
}

/// The images of a release, in the order of its components' names.
pub fn images(mask: &Mask, images: Vec<ReleaseImage>) -> Vec<ImageReport> {
    let report = |ReleaseImage { component, identity, noted }| ImageReport {
        component,
        image: mask.apply(ImageIdentity::reference(&identity)),
        reference: match identity {
            ImageIdentity::Pulled { reference, .. } => Some(mask.apply(&reference)),
            ImageIdentity::Built { .. } => None,
        },
        id: noted.as_ref().map(|noted| noted.image_id.clone()),
        made_at: noted.as_ref().map(|noted| time(noted.made_ms)),
        bases: noted
            .map(|noted| noted.bases)
            .unwrap_or_default()
            .iter()
            .map(|(base, digest)| (mask.apply(base), mask.apply(digest)))
            .collect(),
    };
    images.into_iter().map(report).collect()
}

fn stage(record: &StageRecord) -> StageReport {
    StageReport {
        stage: record.stage,
        started_at: time(record.started_ms),
        ended_at: record.ended_ms.map(time),
        took_ms: (record.ended_ms.unwrap_or_else(now_ms) - record.started_ms).max(0),
        outcome: record.outcome.clone(),
    }
}

pub fn delivery(deployer: &Deployer, delivery: &Delivery) -> DeliverySummary {
    let mask = match deployer.config().projects.contains_key(&delivery.project) {
        true => deployer.mask_of_project(&delivery.project),
        false => deployer.mask(),
    };
    DeliverySummary {
        number: delivery.number,
        project: delivery.project.clone(),
        id: delivery.id.to_string(),
        forge: delivery.forge,
        event: mask.apply(&delivery.event_name),
        kind: delivery.kind.clone(),
        reference: delivery.reference.clone(),
        commit: delivery.commit.clone(),
        sender: delivery.sender.as_deref().map(|sender| mask.apply(sender)),
        found: delivery.found,
        received_at: time(delivery.received_ms),
        outcome: delivery.outcome.word().to_string(),
        reason: mask.sentence(&delivery.reason),
        page: deployer.delivery_page(&delivery.page_key),
    }
}

/// A component's change, without a release command.
fn component_plan(change: &ComponentChange) -> ComponentPlan {
    ComponentPlan {
        name: change.component.clone(),
        change: change.kind.word().to_string(),
        reasons: change.reasons.clone(),
        method: change.method.as_ref().map(|choice| choice.method.to_string()),
        method_reason: change.method.as_ref().map(|choice| choice.reason.clone()),
        release_command: false,
        uses_build_of: change.builder.clone(),
    }
}

/// What going back would do. Its texts are told as they may leave.
pub async fn rollback_report(deployer: &Deployer, plan: Rollback) -> Result<RollbackReport, Refusal> {
    let mask = deployer.mask_of_release(&plan.live).await.and(&deployer.mask_of_release(&plan.to).await);
    let components = plan.differences.components.iter().map(|change| {
        let mut component = component_plan(change);
        component.reasons.iter_mut().chain(&mut component.method_reason).for_each(|text| *text = mask.sentence(text));
        component
    });
    Ok(RollbackReport {
        project: plan.live.project.clone(),
        environment: plan.live.environment.clone(),
        from: named(deployer, &plan.live).await?,
        to: named(deployer, &plan.to).await?,
        same: plan.same,
        components: components.collect(),
        rules: plan.differences.rules.into_iter().map(str::to_string).collect(),
        cancels: plan.cancels,
    })
}

async fn named(deployer: &Deployer, release: &Release) -> Result<RollbackRelease, Refusal> {
    let made_live = deployer.store.newest_of_release(release.id).await?;
    let mask = deployer.mask_of_release(release).await;
    let subject = made_live.map(|deployment| mask.apply(&deployment.subject)).unwrap_or_default();
    Ok(RollbackRelease { release: release.id, commit: release.commit.clone(), subject })
}

/// What a plan is about and was found, for people and programs.
pub fn plan_report(
    (project, environment): (&Project, &Environment),
    (commit, reference): (&CommitInfo, Option<&RefName>),
    against: Option<(Option<ReleaseId>, CommitId)>,
    comparison: &Comparison,
    plan: Option<&Plan>,
    to_pull: Vec<String>,
) -> PlanReport {
    let components = comparison.changes.iter().map(|change| ComponentPlan {
        release_command: comparison.release_commands.contains(&change.component),
        ..component_plan(change)
    });
    PlanReport {
        project: project.name.clone(),
        environment: environment.name.clone(),
        commit: commit.id.clone(),
        subject: commit.subject().to_string(),
        reference: reference.cloned(),
        against: against.map(|(release, commit)| Against { release, commit }),
        components: components.collect(),
        order: comparison.order.clone(),
        steps: plan.map(|plan| plan.steps.iter().map(ToString::to_string).collect()),
        to_pull,
        notes: comparison.problems.iter().map(ToString::to_string).collect(),
        waits: None,
        asks: Vec::new(),
    }
}
