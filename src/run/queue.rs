//! The queue: one deployment at a time in each environment, the newest waiting one wins.

use super::deployer::{Deployer, now_ms};
use super::{flow, go_back};
use crate::model::{DeploymentState, EnvironmentName, ProjectName};
use crate::report::texts::{Situation, WaitsFor};
use crate::store::{Deployment, NewDeployment, StoreError, Trigger};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Begins deployments until the process ends. What a crash or restart left in the middle goes first.
pub async fn begin_deployments(deployer: Arc<Deployer>) {
    if let Err(error) = settle_what_was_left(&deployer).await {
        tracing::error!(error = %error, "What earlier deployments left cannot be read");
    }
    let mut first = true;
    while !deployer.stop.is_cancelled() {
        if let Err(error) = begin_what_can(&deployer).await {
            tracing::error!(error = %error, "The queue cannot be read");
        }
        if std::mem::take(&mut first) {
            // What was in the middle is taken up again: the rest may be looked after.
            deployer.keeping.begin();
        }
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.to_begin.notified() => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => {}
        }
    }
}

/// Environments that an earlier process could not put back because the engine was away.
async fn settle_what_was_left(deployer: &Arc<Deployer>) -> Result<(), StoreError> {
    for deployment in deployer.store.unsettled_deployments().await? {
        let place = (deployment.project.clone(), deployment.environment.clone());
        let Some(control) = deployer.occupy(place.clone(), deployment.id) else { continue };
        let deployer = deployer.clone();
        let tasks = deployer.tasks.clone();
        tasks.spawn(async move {
            let id = deployment.id;
            if let Err(error) = go_back::settle(deployer.clone(), deployment, control).await {
                tracing::error!(deployment.id = %id, error = %error, "An environment could not be put right");
            }
            deployer.leave(&place);
        });
    }
    Ok(())
}

async fn begin_what_can(deployer: &Arc<Deployer>) -> Result<(), StoreError> {
    let mut next: BTreeMap<(ProjectName, EnvironmentName), Deployment> = BTreeMap::new();
    let mut waited_for: BTreeSet<(ProjectName, EnvironmentName)> = BTreeSet::new();
    for deployment in deployer.store.open_deployments().await? {
        let place = (deployment.project.clone(), deployment.environment.clone());
        let begun = deployment.state != DeploymentState::Waiting;
        if !begun {
            waited_for.insert(place.clone());
        }
        match next.get(&place) {
            // Only one can be in the middle; it goes before what waits, and of those the newest wins.
            Some(other) if other.state != DeploymentState::Waiting && !begun => {}
            _ => {
                next.insert(place, deployment);
            }
        }
    }
    let mut next: Vec<_> = next.into_iter().collect();
    // What was begun goes on first; of the others, the one that was asked for first.
    next.sort_by_key(|(_, deployment)| (deployment.state == DeploymentState::Waiting, deployment.id));
    let paused = deployer.store.pauses().await?;
    for (place, deployment) in next {
        if super::pause::holds(&paused, &deployment) {
            continue;
        }
        // Going back waits for nobody and takes nobody's slot.
        let is_backwards = deployment.trigger == Trigger::Rollback || deployment.state == DeploymentState::PuttingBack;
        let slot = match is_backwards {
            true => None,
            false => match deployer.deployment_slots.clone().try_acquire_owned() {
                Ok(slot) => Some(slot),
                Err(_) => continue,
            },
        };
        let Some(control) = deployer.occupy(place.clone(), deployment.id) else {
            deployer.keep_no_longer(&place);
            continue;
        };
        // After a restart a newer one may wait already behind what goes on.
        if deployment.state != DeploymentState::Waiting && waited_for.contains(&place) {
            control.hurry.cancel();
        }
        let deployer = deployer.clone();
        let tasks = deployer.tasks.clone();
        tasks.spawn(async move {
            // It may have been overtaken or cancelled since it was read.
            let fresh = deployer.store.deployment(deployment.id).await;
            if let Ok(Some(fresh)) = fresh
                && !fresh.state.is_end()
            {
                if fresh.cancelled_by.is_some() {
                    control.cancel.cancel();
                }
                flow::carry_out(deployer.clone(), fresh, control).await;
            }
            drop(slot);
            deployer.leave(&place);
            deployer.collecting.ended.notify_one();
        });
    }
    Ok(())
}

impl Deployer {
    /// Puts a deployment into its environment's queue; what waited there ends superseded. A running one that only
    /// watches is told to hurry.
    pub async fn enqueue(&self, mut new: NewDeployment) -> Result<Deployment, StoreError> {
        let mask = self.mask();
        (new.subject, new.asked_by) = (mask.apply(&new.subject), mask.apply(&new.asked_by));
        let place = (new.project.clone(), new.environment.clone());
        let running = self.running_in(&place);
        let live = match self.store.live(&new.project, &new.environment).await? {
            Some(live) => crate::report::texts::Live::Release(live.release),
            None => crate::report::texts::Live::Nothing,
        };
        let commit = new.commit.clone();
        let superseded = Situation::Superseded { by: &commit, live };
        let pause = self.store.pause(&new.project, &new.environment).await?;
        let pause = pause.filter(|_| new.trigger != crate::store::Trigger::Rollback);
        let waits = match (&running, &pause) {
            (Some(running), _) => WaitsFor::Deployment { running: running.id, ahead: 1 },
            (None, Some(pause)) => WaitsFor::Resume { by: &pause.by, reason: pause.reason.as_deref() },
            (None, None) => WaitsFor::Turn,
        };
        let (waiting, overtaken) = (self.says(&Situation::Waiting(waits)), self.says(&superseded));
        let status: crate::store::StatusFor = Box::new(move |deployment| match deployment.state {
            DeploymentState::Superseded => overtaken(deployment),
            _ => waiting(deployment),
        });
        let (added, overtaken) = self.store.add_deployment(new, superseded.sentence(), status, now_ms()).await?;
        self.deployed_commits.note([(added.project.clone(), added.commit.clone())]);
        for old in &overtaken {
            tracing::info!(deployment.id = %old.id, by = %added.id, "A waiting deployment is superseded");
        }
        tracing::info!(
            deployment.id = %added.id, project = %added.project, environment = %added.environment,
            commit = %added.commit, trigger = added.trigger.word(), "A deployment waits for its turn"
        );
        if let Some(running) = running {
            running.hurry.cancel();
        }
        self.to_begin.notify_one();
        self.to_send.notify_one();
        self.to_run_hooks.notify_one();
        Ok(added)
    }
}
