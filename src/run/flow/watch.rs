//! Writes what the executor does into the deployment's log and into the record of work.

use crate::engine::{EngineError, Outcome};
use crate::model::{DeploymentId, Quoted, Work, WorkDetail, WorkOutcome};
use crate::plan::{Action, Step};
use crate::run::flow::deploying::Deploying;
use crate::run::flow::executor::Watch;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::step_error::StepError;
use crate::run::ground::work_record::{WorkRecord, milliseconds};
use std::sync::Arc;
use std::time::Duration;

/// Writes each step into the deployment's log.
pub struct LogSteps {
    pub log: DeploymentLog,
    /// The deployment that the steps are work of; `None` for what is put right later.
    pub record: Option<(WorkRecord, DeploymentId)>,
    /// What tells people how far it is.
    pub deploying: Option<Arc<Deploying>>,
}

impl LogSteps {
    fn note(&self, step: &Step, took: Duration, outcome: &Result<Outcome, StepError>) {
        let Some((works, deployment)) = &self.record else { return };
        let outcome = match outcome {
            Ok(_) => WorkOutcome::Done,
            Err(error) if error.is_cancelled() => WorkOutcome::Cancelled,
            Err(_) => WorkOutcome::Failed,
        };
        let (ended_ms, took) = (now_ms(), milliseconds(took));
        works.note(Work {
            deployment: *deployment,
            component: step.component.clone(),
            kind: step.work_kind(),
            subject: step.subject.clone(),
            started_ms: ended_ms - took,
            ended_ms,
            outcome,
            detail: WorkDetail::default(),
        });
    }
}

impl Watch for LogSteps {
    fn began(&self, step: &Step) {
        if let Some(deploying) = &self.deploying {
            deploying.began(step);
        }
        // The others are over at once; these are what people wait for.
        if matches!(step.action, Action::WaitReady { .. } | Action::Hold(_) | Action::Pause(_)) {
            self.log.line(step.component.as_ref(), &format!("#{} {}: {}", step.id, step.subject, step.action.verb()));
        }
    }

    fn ended(&self, step: &Step, took: Duration, outcome: &Result<Outcome, StepError>) {
        self.note(step, took, outcome);
        if let Some(deploying) = &self.deploying {
            deploying.ended(step);
        }
        let what = format!("#{} {}: {}", step.id, step.subject, step.action.verb());
        let took = took.as_secs_f64();
        match outcome {
            Ok(Outcome { note: Some(note), .. }) => {
                self.log.line(step.component.as_ref(), &format!("{what}: {note} ({took:.2} s)"))
            }
            Ok(_) => self.log.line(step.component.as_ref(), &format!("{what}: done ({took:.2} s)")),
            Err(error) if error.is_cancelled() => self.log.line(step.component.as_ref(), &format!("{what}: given up")),
            Err(error) => {
                self.log.line(step.component.as_ref(), &format!("{what}: {error}"));
                let is_told = matches!(&step.action, Action::WaitReady { readiness, .. } if readiness.follow);
                if let StepError::Engine(EngineError::NotReady { last_lines, .. }) = error {
                    for line in last_lines.iter().filter(|_| !is_told) {
                        self.log.line(step.component.as_ref(), &format!("| {}", Quoted(line)));
                    }
                }
            }
        }
    }
}
