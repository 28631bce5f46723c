//! `launchway pause` and `launchway resume`: nothing is watched or deployed in an environment until somebody says so.

use crate::config::{Environment, Project};
use crate::model::{DeploymentState, Quoted};
use crate::report::texts::{Situation, WaitsFor};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::refusal::Refusal;
use crate::store::{Action, Deployment, Pause};

/// Whether a pause keeps a deployment from being begun. What has begun goes on to its end, and a rollback is never kept
/// waiting: backwards is always safe.
pub fn holds(pauses: &[Pause], deployment: &Deployment) -> bool {
    deployment.state == DeploymentState::Waiting
        && !deployment.trigger.goes_back()
        && pauses.iter().any(|p| (&p.project, &p.environment) == (&deployment.project, &deployment.environment))
}

impl Deployer {
    /// Pauses an environment on somebody's word; one that is paused already keeps that pause.
    ///
    /// # Errors
    /// The store fails.
    pub async fn ask_to_pause(
        &self,
        project: &Project,
        environment: &Environment,
        reason: Option<String>,
        by: &str,
    ) -> Result<Pause, Refusal> {
        let reason = reason.map(|reason| reason.trim().to_string()).filter(|reason| !reason.is_empty());
        let mask = self.mask_of(&project.name, &environment.name);
        let pause = Pause {
            project: project.name.clone(),
            environment: environment.name.clone(),
            by: mask.apply(by),
            reason: reason.map(|reason| mask.apply(&reason)),
            since_ms: now_ms(),
        };
        self.store.add_pause(pause.clone()).await?;
        let place = (project.name.clone(), environment.name.clone());
        let entry = self.audited(by, Action::Pause, place, None, pause.reason.clone());
        self.store.note_audit(entry).await?;
        tracing::warn!(
            project = %project.name, environment = %environment.name, by = %Quoted(by), reason = pause.reason.as_deref(),
            "{}/{} is paused: nothing is watched or deployed there", project.name, environment.name
        );
        self.occupancy.keep_no_longer(&(project.name.clone(), environment.name.clone()));
        let waits = WaitsFor::Resume { by: &pause.by, reason: pause.reason.as_deref() };
        self.tell_those_that_wait(project, environment, &Situation::Waiting(waits)).await?;
        let noted = self.store.pause(&project.name, &environment.name).await?;
        Ok(noted.unwrap_or(pause))
    }

    /// Ends a pause on somebody's word.
    ///
    /// # Errors
    /// It is not paused, or the store fails.
    pub async fn ask_to_resume(&self, project: &Project, environment: &Environment, by: &str) -> Result<(), Refusal> {
        if !self.store.remove_pause(&project.name, &environment.name).await? {
            return Err(Refusal::Impossible(format!("{}/{} is not paused", project.name, environment.name)));
        }
        let place = (project.name.clone(), environment.name.clone());
        self.store.note_audit(self.audited(by, Action::Resume, place, None, None)).await?;
        tracing::warn!(
            project = %project.name, environment = %environment.name, by = %Quoted(by),
            "{}/{} is resumed", project.name, environment.name
        );
        self.tell_those_that_wait(project, environment, &Situation::Waiting(WaitsFor::Turn)).await?;
        self.bells.to_begin.notify_one();
        self.keeping.look_at(&(project.name.clone(), environment.name.clone()), std::time::Duration::ZERO);
        Ok(())
    }

    async fn tell_those_that_wait(
        &self,
        project: &Project,
        environment: &Environment,
        situation: &Situation<'_>,
    ) -> Result<(), Refusal> {
        let mask = self.mask_of(&project.name, &environment.name);
        for deployment in self.store.open_deployments().await? {
            let is_here = (&deployment.project, &deployment.environment) == (&project.name, &environment.name);
            let waits = deployment.state == DeploymentState::Waiting && !deployment.trigger.goes_back();
            if !is_here || !waits {
                continue;
            }
            if let Some(status) = self.status(&deployment, situation, &mask) {
                self.store.queue_status(status, now_ms()).await?;
            }
            self.store.describe(deployment.id, situation.whole(&mask)).await?;
        }
        self.bells.to_send.notify_one();
        Ok(())
    }
}
