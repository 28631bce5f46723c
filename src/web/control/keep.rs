//! While nothing is deployed: start what was stopped, pause, resume; and how that is told.

use super::answer::Answer;
use super::ask::{carried_out, clean, name_of};
use super::reports::time;
use crate::model::Mask;
use crate::plan::drift::Drift;
use crate::run::Deployer;
use crate::store::{DegradedRecord, Pause};
use crate::web::wire::{
    DegradedReport, DriftReport, PauseReport, PauseRequest, PausedReport, PromoteReport, PromoteRequest, StartReport,
    StartRequest,
};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

pub async fn start(State(deployer): State<Arc<Deployer>>, Json(asked): Json<StartRequest>) -> Answer<StartReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let woken = deployer.ask_to_start(&project, &environment, &name_of(&asked.by)).await?;
        Ok(StartReport { project: project.name, environment: environment.name, started: woken.0.into_iter().collect() })
    })
    .await
}

pub async fn pause(State(deployer): State<Arc<Deployer>>, Json(asked): Json<PauseRequest>) -> Answer<PauseReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let reason = asked.reason.as_deref().map(clean);
        let pause = deployer.ask_to_pause(&project, &environment, reason, &name_of(&asked.by)).await?;
        Ok(PauseReport { project: project.name, environment: environment.name, paused: Some(paused(&deployer, pause)) })
    })
    .await
}

pub async fn promote(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<PromoteRequest>,
) -> Answer<PromoteReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let promoted = deployer.ask_to_promote(&project, &environment, asked.to_the_end, &name_of(&asked.by)).await?;
        Ok(PromoteReport {
            project: project.name,
            environment: environment.name,
            deployment: promoted.deployment,
            promoted: promoted.components,
        })
    })
    .await
}

pub async fn resume(State(deployer): State<Arc<Deployer>>, Json(asked): Json<StartRequest>) -> Answer<PauseReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        deployer.ask_to_resume(&project, &environment, &name_of(&asked.by)).await?;
        Ok(PauseReport { project: project.name, environment: environment.name, paused: None })
    })
    .await
}

pub fn paused(deployer: &Deployer, pause: Pause) -> PausedReport {
    let mask = deployer.mask_of(&pause.project, &pause.environment);
    let reason = pause.reason.map(|reason| mask.apply(&reason));
    PausedReport { by: mask.apply(&pause.by), reason, since: time(pause.since_ms) }
}

pub fn degraded(mask: &Mask, record: DegradedRecord) -> DegradedReport {
    let DegradedRecord { degraded, since_ms } = record;
    DegradedReport {
        component: degraded.component,
        trouble: degraded.trouble.word().to_string(),
        why: mask.sentence(&degraded.why),
        last_lines: degraded.last_lines.iter().map(|line| mask.apply(line)).collect(),
        since: time(since_ms),
    }
}

pub fn drift(mask: &Mask, drift: Drift) -> DriftReport {
    let Drift { component, subject, kind, how } = drift;
    DriftReport { component, subject: mask.sentence(&subject), kind: kind.word().to_string(), how: mask.sentence(&how) }
}
