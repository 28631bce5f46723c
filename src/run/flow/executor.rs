//! Walks a plan's graph, independent steps side by side. It decides nothing: what fails or is cancelled is told to the
//! caller, who observes and plans again.

use crate::engine::{EngineError, Outcome};
use crate::plan::{Action, EngineNetworkMode, Phase, Plan, Readiness, Step, Target};
use crate::run::ground::contained::contained;
use crate::run::ground::failpoint::failpoint;
use crate::run::ground::step_error::{StepError, StepFailed};
use crate::run::traffic::hands::Hands;
use crate::run::traffic::reach;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Steps carried out at once; more would only queue up in the engine.
pub const AT_ONCE: usize = 8;

/// What the executor tells while it walks.
pub trait Watch: Send + Sync {
    fn began(&self, step: &Step);
    fn ended(&self, step: &Step, took: Duration, outcome: &Result<Outcome, StepError>);
}

impl Hands {
    async fn act(&self, action: &Action, stop: &CancellationToken) -> Result<Outcome, StepError> {
        match action {
            Action::StartFront { .. }
            | Action::RenewFront(_)
            | Action::Route(_)
            | Action::Unroute(_)
            | Action::Drain { .. }
            | Action::Hold(_) => self.lead.act(action, stop).await,
            Action::Pause(time) => tokio::select! {
                () = tokio::time::sleep(*time) => Ok(Outcome::default()),
                () = stop.cancelled() => Err(EngineError::Cancelled.into()),
            },
            Action::WaitReady { target, readiness: readiness @ Readiness { reach: Some(reach), .. } } => {
                reach::wait_ready(self, action, (target, readiness, reach), stop).await
            }
            _ => Ok(self.engine.act(action, self.supplies.as_ref(), stop).await?),
        }
    }
}

/// Carries out the steps of the given phases, each phase only after the whole one before it. Stops beginning new steps
/// at the first failure, waits for those under way, and returns that failure. Of ready steps that with the highest rank
/// begins first, then the first of the plan; a step without a rank has none to lose.
pub async fn execute(
    plan: &Plan,
    phases: &[Phase],
    ranks: &BTreeMap<u32, u64>,
    hands: &Hands,
    watch: &Arc<dyn Watch>,
    cancel: &CancellationToken,
) -> Result<(), StepFailed> {
    let mut created: BTreeMap<u32, String> = BTreeMap::new();
    for phase in phases {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.phase == *phase).collect();
        walk(&steps, ranks, &mut created, hands, watch, cancel).await?;
    }
    Ok(())
}

async fn walk(
    steps: &[&Step],
    ranks: &BTreeMap<u32, u64>,
    created: &mut BTreeMap<u32, String>,
    hands: &Hands,
    watch: &Arc<dyn Watch>,
    cancel: &CancellationToken,
) -> Result<(), StepFailed> {
    let mut open: BTreeSet<u32> = steps.iter().map(|step| step.id).collect();
    let mut waiting: Vec<&Step> = steps.to_vec();
    let mut running: JoinSet<(Step, Duration, Result<Outcome, StepError>)> = JoinSet::new();
    // A step that fails stops those that run beside it too: nobody needs them any more.
    let stop = cancel.child_token();
    let mut failed: Option<StepFailed> = None;
    loop {
        while failed.is_none() && running.len() < AT_ONCE {
            let ready = waiting.iter().enumerate().filter(|(_, step)| !step.waits_for.iter().any(|w| open.contains(w)));
            let rank = |(index, step): &(usize, &&Step)| (ranks.get(&step.id).copied().unwrap_or(0), Reverse(*index));
            let Some((index, _)) = ready.max_by_key(rank) else { break };
            let step = waiting.remove(index);
            match resolve(step, created) {
                Ok(action) => {
                    watch.began(step);
                    let (hands, stop, step) = (hands.clone(), stop.clone(), step.clone());
                    running.spawn(async move {
                        let start = std::time::Instant::now();
                        let acted = contained(async {
                            failpoint("step.begins");
                            let outcome = match stop.is_cancelled() {
                                true => Err(EngineError::Cancelled.into()),
                                false => hands.act(&action, &stop).await,
                            };
                            failpoint("step.ended");
                            outcome
                        });
                        let outcome = acted.await.unwrap_or_else(|broke| Err(broke.into()));
                        (step, start.elapsed(), outcome)
                    });
                }
                Err(error) => failed = Some(failure(step, error.into())),
            }
        }
        let Some(joined) = running.join_next().await else { break };
        let (step, took, outcome) = match joined {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        watch.ended(&step, took, &outcome);
        match outcome {
            Ok(outcome) => {
                open.remove(&step.id);
                if let Some(id) = outcome.container_id {
                    created.insert(step.id, id);
                }
            }
            Err(error) => {
                stop.cancel();
                // The first failure is the cause; what was stopped because of it is not.
                if failed.is_none() {
                    failed = Some(failure(&step, error));
                }
            }
        }
    }
    match failed {
        Some(failed) => Err(failed),
        None => Ok(()),
    }
}

fn failure(step: &Step, error: StepError) -> StepFailed {
    StepFailed { step: step.id, component: step.component.clone(), subject: step.subject.clone(), error }
}

/// The step's action with the ids of created containers in the place of steps.
fn resolve(step: &Step, created: &BTreeMap<u32, String>) -> Result<Action, EngineError> {
    let resolve = |target: &Target| match target {
        Target::Existing { .. } => Ok(target.clone()),
        Target::Created { step: creating } => match created.get(creating) {
            // A container goes by several names while it is handed over; people know it as the step calls it.
            Some(id) => Ok(Target::Existing { id: id.clone(), name: step.subject.clone() }),
            None => Err(EngineError::NotFound { what: format!("the container of step #{creating}") }),
        },
    };
    Ok(match &step.action {
        Action::StartContainer(target) => Action::StartContainer(resolve(target)?),
        Action::StopContainer { target, grace } => Action::StopContainer { target: resolve(target)?, grace: *grace },
        Action::RenameContainer { target, name } => {
            Action::RenameContainer { target: resolve(target)?, name: name.clone() }
        }
        Action::RemoveContainer(target) => Action::RemoveContainer(resolve(target)?),
        Action::WaitReady { target, readiness } => {
            Action::WaitReady { target: resolve(target)?, readiness: readiness.clone() }
        }
        Action::CreateContainer(spec) => {
            let mut spec = spec.clone();
            if let EngineNetworkMode::Container(target) = &spec.network {
                spec.network = EngineNetworkMode::Container(resolve(target)?);
            }
            spec.processes_of = spec.processes_of.as_ref().map(resolve).transpose()?;
            Action::CreateContainer(spec)
        }
        Action::Drain { component, target, limit } => {
            Action::Drain { component: component.clone(), target: resolve(target)?, limit: *limit }
        }
        Action::RenewFront(target) => Action::RenewFront(resolve(target)?),
        Action::StartFront { target, change } => {
            let mut change = change.clone();
            for target in change.targets_mut() {
                *target = resolve(target)?;
            }
            Action::StartFront { target: resolve(target)?, change }
        }
        Action::Route(change) => {
            let mut change = change.clone();
            for target in change.targets_mut() {
                *target = resolve(target)?;
            }
            Action::Route(change)
        }
        Action::Hold(hold) => {
            let mut hold = hold.clone();
            for target in &mut hold.replicas {
                *target = resolve(target)?;
            }
            Action::Hold(hold)
        }
        other => other.clone(),
    })
}
