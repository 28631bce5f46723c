//! What people ask for: deploy, roll back, cancel, plan, back up.

use super::answer::{Answer, answer};
use super::deployments;
use super::reports::{plan_report, rollback_report};
use crate::model::{CommitId, DeploymentId, Hidden, Mask, Problem, plain_line};
use crate::run::{AskedAnew, Deployer, Preview, Refusal};
use crate::web::wire::{
    AdoptReport, AdoptRequest, AdoptedThing, BackupRequest, CancelRequest, CheckReport, CheckRequest, DeployRequest,
    DeploymentDetails, GivenBackReport, PlanReport, PlanRequest, RemoveReport, RollbackReport, RollbackRequest,
    StartRequest,
};
use axum::Json;
use axum::extract::{Path, State};
use std::future::Future;
use std::sync::Arc;

pub async fn deploy(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<DeployRequest>,
) -> Answer<DeploymentDetails> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let by = name_of(&asked.by);
        let fresh_volumes = asked.fresh_volumes.iter().map(|name| plain_line(name).into_owned()).collect();
        let anew = AskedAnew { build: asked.rebuild, pull: asked.pull, fresh_volumes };
        let now = match asked.now_reason.as_deref().map(clean) {
            Some(reason) if reason.is_empty() => {
                return Err(Refusal::Impossible("say with --reason why it is not to wait; it is noted".into()));
            }
            reason => reason,
        };
        let commit = asked.commit.as_deref();
        let added = deployer.ask_to_deploy(&project, &environment, commit, anew, now, &by).await?;
        deployments::read(&deployer, added.id).await
    })
    .await
}

pub async fn roll_back(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<RollbackRequest>,
) -> Answer<DeploymentDetails> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let by = name_of(&asked.by);
        let added = deployer.ask_to_roll_back(&project, &environment, asked.to, asked.from, &by).await?;
        deployments::read(&deployer, added.id).await
    })
    .await
}

pub async fn plan_rollback(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<RollbackRequest>,
) -> Answer<RollbackReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let plan = deployer.plan_rollback(&project, &environment, asked.to).await?;
        rollback_report(&deployer, plan).await
    })
    .await
}

pub async fn give_back(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<StartRequest>,
) -> Answer<DeploymentDetails> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let added = deployer.ask_to_give_back(&project, &environment, &name_of(&asked.by)).await?;
        deployments::read(&deployer, added.id).await
    })
    .await
}

pub async fn give_back_orphan(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<StartRequest>,
) -> Answer<GivenBackReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) = (asked.project.as_deref(), asked.environment.as_deref());
        let by = name_of(&asked.by);
        let (orphan, remains) = deployer.ask_to_give_back_an_orphan(project, environment, &by).await?;
        Ok(GivenBackReport {
            project: orphan.project.name.clone(),
            environment: orphan.environment.name.clone(),
            compose_project: orphan.environment.compose_project.clone(),
            running: remains.running,
            volumes: remains.volumes,
        })
    })
    .await
}

pub async fn adopt(State(deployer): State<Arc<Deployer>>, Json(asked): Json<AdoptRequest>) -> Answer<AdoptReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let things = deployer.ask_to_adopt(&project, &environment, asked.from.as_deref(), &name_of(&asked.by)).await?;
        let adopted = things.into_iter().map(|thing| AdoptedThing { kind: thing.kind.word().into(), name: thing.name });
        Ok(AdoptReport { project: project.name, environment: environment.name, adopted: adopted.collect() })
    })
    .await
}

/// Takes away what runs of an environment that left launchway.toml.
pub async fn remove(State(deployer): State<Arc<Deployer>>, Json(asked): Json<StartRequest>) -> Answer<RemoveReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) = (asked.project.as_deref(), asked.environment.as_deref());
        let (orphan, remains) = deployer.ask_to_remove(project, environment, &name_of(&asked.by)).await?;
        let (project, environment) = (orphan.project.name.clone(), orphan.environment.name.clone());
        Ok(RemoveReport { project, environment, removed: remains.running, volumes: remains.volumes })
    })
    .await
}

pub async fn cancel(
    State(deployer): State<Arc<Deployer>>,
    Path(id): Path<i64>,
    Json(asked): Json<CancelRequest>,
) -> Answer<DeploymentDetails> {
    carried_out(deployer, |deployer| async move {
        let cancelled = deployer.ask_to_cancel(DeploymentId(id), &name_of(&asked.by)).await?;
        deployments::read(&deployer, cancelled.id).await
    })
    .await
}

pub async fn plan(State(deployer): State<Arc<Deployer>>, Json(asked): Json<PlanRequest>) -> Answer<PlanReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        let preview =
            deployer.preview(&project, &environment, asked.commit.as_deref(), asked.against.as_deref(), &[]).await?;
        let Preview { commit, reference, against, comparison, plan, to_pull, notes, asks, .. } = preview;
        let of = (&project, &environment);
        let waits = deployer.push_waits(&project, &environment).await?;
        let mask = deployer.mask_of(&project.name, &environment.name);
        let mut report = plan_report(of, (&commit, Some(&reference)), against, &comparison, Some(&plan), to_pull);
        report.notes.extend(notes);
        report.asks = asks;
        hide(&mut report, &mask);
        Ok(PlanReport { waits, ..report })
    })
    .await
}

/// What deploying a stack that was read from a working copy would ask for.
pub async fn check(State(deployer): State<Arc<Deployer>>, Json(asked): Json<CheckRequest>) -> Answer<CheckReport> {
    carried_out(deployer, |deployer| async move {
        let (project, environment) =
            deployer.find_environment(asked.project.as_deref(), asked.environment.as_deref())?;
        // It is of no commit, and nothing that anybody keeps: only this answer can show what is in it.
        let names = &environment.names;
        let no_commit = CommitId::new("0".repeat(40)).map_err(|error| Refusal::Impossible(error.to_string()))?;
        let own = Hidden::of_stack(&project.name, &environment.name, &no_commit, &asked.stack, names).mask();
        let problems = deployer.check_storage(&project, &environment, asked.stack).await;
        let mask = deployer.mask_of(&project.name, &environment.name).and(&own);
        let problems = problems.map_err(|setback| Refusal::Impossible(mask.sentence(&setback.to_string())))?;
        let told = |problem: Problem| Problem { message: mask.sentence(&problem.message), ..problem };
        Ok(CheckReport { asks: problems.into_iter().map(told).collect() })
    })
    .await
}

pub async fn back_up(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<BackupRequest>,
) -> Answer<serde_json::Value> {
    carried_out(deployer, |deployer| async move {
        if !asked.file.is_absolute() {
            return Err(Refusal::Impossible(format!("{} is not an absolute path", asked.file.display())));
        }
        deployer.store.backup(&asked.file).await.map_err(|error| Refusal::Impossible(error.to_string()))?;
        Ok(serde_json::json!({ "file": asked.file }))
    })
    .await
}

/// What the plan quotes of the commit's files and of the engine is told as it may leave.
fn hide(report: &mut PlanReport, mask: &Mask) {
    let components = report.components.iter_mut();
    let of_components =
        components.flat_map(|component| component.reasons.iter_mut().chain(&mut component.method_reason));
    let of_plan = report.steps.iter_mut().flatten().chain(&mut report.to_pull);
    let of_plan = of_plan.chain(&mut report.notes).chain(&mut report.asks);
    for text in of_components.chain(of_plan) {
        *text = mask.sentence(text);
    }
    report.subject = mask.apply(&report.subject);
}

/// Carries a request out to its end, also when whoever asked goes away in the middle.
pub(super) async fn carried_out<T, W>(deployer: Arc<Deployer>, work: impl FnOnce(Arc<Deployer>) -> W) -> Answer<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Refusal>> + Send + 'static,
{
    let (asked, work) = (deployer.clone(), work(deployer.clone()));
    let working = async move {
        // Whoever has just corrected a setting, or renewed a token, asks for it to be used.
        asked.fresh_config().await;
        work.await
    };
    let done = deployer.tasks.spawn(working).await;
    answer(&deployer, done.unwrap_or_else(|error| Err(Refusal::Failed(error.into()))))
}

pub async fn approve(
    State(deployer): State<Arc<Deployer>>,
    Path(id): Path<i64>,
    Json(asked): Json<CancelRequest>,
) -> Answer<DeploymentDetails> {
    carried_out(deployer, |deployer| async move {
        let approved = deployer.ask_to_approve(DeploymentId(id), &name_of(&asked.by)).await?;
        deployments::read(&deployer, approved.id).await
    })
    .await
}

/// Who asked, as text for statuses and pages.
pub(super) fn name_of(by: &str) -> String {
    let clean: String = plain_line(by).chars().take(80).collect();
    if clean.trim().is_empty() { "somebody at the command line".into() } else { clean.trim().to_string() }
}

/// A reason that somebody gave, as one line.
pub(super) fn clean(reason: &str) -> String {
    let line: String = plain_line(reason).chars().take(200).collect();
    line.trim().to_string()
}
