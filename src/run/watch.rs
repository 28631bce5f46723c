//! Writes what the executor does into the deployment's log.

use super::executor::{StepError, Watch};
use super::log::DeploymentLog;
use crate::engine::{EngineError, Outcome};
use crate::plan::{Action, Step};
use std::time::Duration;

pub struct LogSteps {
    pub log: DeploymentLog,
}

impl Watch for LogSteps {
    fn began(&self, step: &Step) {
        // The others are over at once; these are what people wait for.
        if matches!(step.action, Action::WaitReady { .. } | Action::Hold(_) | Action::Pause(_)) {
            self.log.line(step.component.as_ref(), &format!("#{} {}: {}", step.id, step.subject, step.action.verb()));
        }
    }

    fn ended(&self, step: &Step, took: Duration, outcome: &Result<Outcome, StepError>) {
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
                        self.log.line(step.component.as_ref(), &format!("| {line}"));
                    }
                }
            }
        }
    }
}
