//! What people ask for: deploy, roll back, cancel, run a delivery again.

use super::checkout::fetch;
use super::deployer::{Deployer, new_key, now_ms};
use super::skip;
use super::works::Fetching;
use crate::config::{Environment, Project};
use crate::model::{
    CommitId, DeploymentId, DeploymentState, EnvironmentName, ProjectName, RefName, ReleaseId, Transition,
};
use crate::report::texts::Situation;
use crate::store::{Action, Delivery, DeliveryOutcome, Deployment, NewDeployment, Trigger};

/// So many releases are named to somebody who named a wrong one.
const LISTED: usize = 20;

/// Why a request is not carried out: what is wrong and what to do, for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Impossible(String),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Refusal::Failed(error.into())
    }
}

/// What a deployment is to do anew although nothing of it changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskedAnew {
    /// Build everything, and pull base images.
    pub build: bool,
    /// Resolve the tags of images that are only named.
    pub pull: bool,
}

impl Deployer {
    /// The project and environment that somebody names. Where only one is set, it need not be named.
    pub fn find_environment(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<(Project, Environment), Refusal> {
        let config = self.config();
        let names = |list: Vec<&str>| list.join(", ");
        let project = match project {
            Some(name) => config.projects.get(name).ok_or_else(|| {
                let known = names(config.projects.keys().map(ProjectName::as_str).collect());
                Refusal::NotFound(format!("there is no project {name:?} in launchway.toml; there are {known}"))
            })?,
            None => match config.projects.values().collect::<Vec<_>>().as_slice() {
                [only] => *only,
                _ => {
                    let known = names(config.projects.keys().map(ProjectName::as_str).collect());
                    return Err(Refusal::NotFound(format!("name a project: {known}")));
                }
            },
        };
        let known = || names(project.environments.keys().map(EnvironmentName::as_str).collect());
        let environment = match environment {
            Some(name) => project.environments.get(name).ok_or_else(|| {
                Refusal::NotFound(format!("project {} has no environment {name:?}; it has {}", project.name, known()))
            })?,
            None => match project.environments.values().collect::<Vec<_>>().as_slice() {
                [only] => *only,
                _ => return Err(Refusal::NotFound(format!("name an environment of {}: {}", project.name, known()))),
            },
        };
        Ok((project.clone(), environment.clone()))
    }

    /// Deploys a commit (a full id, or its first digits), or the newest of the environment's first branch that is set by
    /// name. With `now`, the reason for that, it waits neither for windows and freezes nor for a yes.
    pub async fn ask_to_deploy(
        &self,
        project: &Project,
        environment: &Environment,
        commit: Option<&str>,
        anew: AskedAnew,
        now: Option<String>,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let fetching = Fetching::begin(&project.full_name);
        let (commit, reference) = self.commit_to_deploy(project, environment, commit).await?;
        let fetched = fetching.ended();
        let info = self.mirrors.commit(&project.name, &commit).map_err(|e| Refusal::NotFound(e.to_string()))?;
        let mask = self.mask_of(&project.name, &environment.name);
        let new = NewDeployment {
            project: project.name.clone(),
            environment: environment.name.clone(),
            commit,
            subject: mask.apply(info.subject()).chars().take(200).collect(),
            reference: Some(reference),
            trigger: Trigger::Manual,
            asked_by: by.to_string(),
            delivery: None,
            release: None,
            page_key: new_key()?,
            rebuild: anew.build,
            pull: anew.pull,
            now_reason: now.map(|reason| mask.apply(&reason)),
        };
        let added = self.enqueue(new).await?;
        self.works.note(fetched.as_work_of(added.id));
        Ok(added)
    }

    /// The commit that would be deployed, fetched, and the ref that it is on.
    pub async fn commit_to_deploy(
        &self,
        project: &Project,
        environment: &Environment,
        commit: Option<&str>,
    ) -> Result<(CommitId, RefName), Refusal> {
        let patience = crate::source::Patience::new(self.stop.clone(), self.config().limits.fetch);
        let remote = super::checkout::remote(project).map_err(|error| Refusal::Impossible(error.to_string()))?;
        let tips = self.mirrors.remote_tips(remote, &patience).await;
        let tips = tips.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let wanted: Vec<RefName> = tips.keys().filter(|reference| environment.wants(reference)).cloned().collect();
        if wanted.is_empty() {
            return Err(Refusal::NotFound(format!(
                "no branch or tag of {} deploys to {}: it wants {}",
                project.full_name,
                environment.name,
                environment
                    .branches
                    .iter()
                    .chain(&environment.tags)
                    .map(|p| p.text.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        fetch(self, project, wanted.clone(), &self.stop)
            .await
            .map_err(|error| Refusal::Impossible(error.to_string()))?;
        for (reference, tip) in tips.iter().filter(|(reference, _)| wanted.contains(reference)) {
            self.store.note_tip(&project.name, reference, tip, now_ms()).await?;
        }
        match commit {
            Some(text) => {
                let commit = self.commit_named(project, text)?;
                for reference in &wanted {
                    let on_it = self.mirrors.contains(&project.name, reference, &commit);
                    if on_it.map_err(|error| Refusal::Failed(error.into()))? {
                        return Ok((commit, reference.clone()));
                    }
                }
                Err(Refusal::NotFound(format!(
                    "commit {} is on no branch or tag that deploys to {}",
                    commit.short(),
                    environment.name
                )))
            }
            None => {
                // A branch before a tag, and the first by name of several.
                let reference = wanted.iter().find(|r| r.branch().is_some()).or(wanted.last()).cloned();
                let reference = reference.ok_or_else(|| Refusal::NotFound("there is nothing to deploy".into()))?;
                let newest = self.mirrors.newest_not_skipped(&project.name, &reference, skip::is_marked, None);
                let newest = newest.map_err(|error| Refusal::Failed(error.into()))?.ok_or_else(|| {
                    Refusal::NotFound(format!("every recent commit of {} is marked to be skipped", reference.short()))
                })?;
                Ok((newest.id, reference))
            }
        }
    }

    /// Goes back to an older release: the one before the live one, or a given one. What runs or waits there is
    /// cancelled: backwards comes first.
    pub async fn ask_to_roll_back(
        &self,
        project: &Project,
        environment: &Environment,
        to: Option<ReleaseId>,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let live = self.store.live(&project.name, &environment.name).await?.map(|live| live.release);
        let target = match to {
            Some(id) => self.release_named(project, environment, live, id).await?,
            None => self.release_before(project, environment, live).await?,
        };
        let place = (project.name.clone(), environment.name.clone());
        if live == Some(target) && self.running_in(&place).is_none() {
            return Err(Refusal::Impossible(format!("release {target} is live already")));
        }
        // All that is said of it was noted when it went live: going back asks nothing of the forge.
        self.go_live_at_once(project, environment, target, target, by).await
    }

    /// Puts a release live that builds nothing and runs no command, before all else. What runs in the environment is
    /// cancelled. `told_as`: the release whose commit and subject are said of it.
    pub(super) async fn go_live_at_once(
        &self,
        project: &Project,
        environment: &Environment,
        target: ReleaseId,
        told_as: ReleaseId,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let running = self.running_in(&(project.name.clone(), environment.name.clone()));
        let release = self.store.release(target).await?;
        let release = release.ok_or_else(|| Refusal::NotFound(format!("release {target} is not in the store")))?;
        if let Some(running) = running {
            match self.ask_to_cancel(running.id, by).await {
                // It may have ended just now.
                Ok(_) | Err(Refusal::Impossible(_)) => {}
                Err(other) => return Err(other),
            }
        }
        let before = self.store.newest_of_release(told_as).await?;
        let new = NewDeployment {
            project: project.name.clone(),
            environment: environment.name.clone(),
            commit: release.commit.clone(),
            subject: before.as_ref().map(|before| before.subject.clone()).unwrap_or_default(),
            reference: before.and_then(|before| before.reference),
            trigger: Trigger::Rollback,
            asked_by: by.to_string(),
            delivery: None,
            release: Some(target),
            page_key: new_key()?,
            rebuild: false,
            pull: false,
            now_reason: None,
        };
        Ok(self.enqueue(new).await?)
    }

    /// A release that somebody names: it has to have been live in the environment.
    async fn release_named(
        &self,
        project: &Project,
        environment: &Environment,
        live: Option<ReleaseId>,
        id: ReleaseId,
    ) -> Result<ReleaseId, Refusal> {
        let known = self.store.releases_once_live(&project.name, &environment.name, u32::MAX).await?;
        if known.contains(&id) {
            return Ok(id);
        }
        let place = format!("{}/{}", project.name, environment.name);
        let fits = |r: &crate::model::Release| r.project == project.name && r.environment == environment.name;
        let why = match self.store.release(id).await?.filter(fits) {
            Some(_) => format!("release {id} was never live in {place}"),
            None => format!("release {id} is not one of {place}"),
        };
        let others: Vec<String> =
            known.iter().filter(|known| Some(**known) != live).take(LISTED).map(ReleaseId::to_string).collect();
        Err(Refusal::NotFound(match others.is_empty() {
            true => format!("{why}; there is none to go back to"),
            false => format!("{why}; those to go back to are {}", others.join(", ")),
        }))
    }

    /// The release that was live before this one went live: rolling back twice goes back two.
    async fn release_before(
        &self,
        project: &Project,
        environment: &Environment,
        live: Option<ReleaseId>,
    ) -> Result<ReleaseId, Refusal> {
        let Some(live) = live else {
            return Err(Refusal::Impossible(format!("nothing is live in {}/{}", project.name, environment.name)));
        };
        self.store.release_before(live).await?.ok_or_else(|| {
            Refusal::Impossible(format!("release {live} is the oldest that was live; there is none to go back to"))
        })
    }

    /// Cancels a deployment in whatever stage it is.
    pub async fn ask_to_cancel(&self, id: DeploymentId, by: &str) -> Result<Deployment, Refusal> {
        let deployment = self.store.deployment(id).await?;
        let deployment = deployment.ok_or_else(|| Refusal::NotFound(format!("there is no deployment {id}")))?;
        if !self.store.ask_to_cancel(id, by.to_string()).await? {
            return Err(Refusal::Impossible(format!("deployment {id} has ended already: {}", deployment.state)));
        }
        let place = (deployment.project.clone(), deployment.environment.clone());
        self.store.note_audit(self.audited(by, Action::Cancel, place, Some(id), None)).await?;
        match self.running(id) {
            Some(control) => control.cancel.cancel(),
            None if deployment.state == DeploymentState::Waiting => {
                let live = self.live_in(&deployment).await;
                let situation = Situation::Cancelled { by: Some(by), during: None, release_command_ran: false, live };
                let mask = self.mask_of(&deployment.project, &deployment.environment);
                let (sentence, status) = (situation.sentence_masked(&mask), self.says(&situation, &mask));
                // Should it have begun just now, its own flow sees that it is cancelled.
                let advanced = self.store.advance(id, Transition::Cancel, sentence, status, now_ms()).await?;
                if let Err(illegal) = advanced {
                    return Err(Refusal::Impossible(illegal.to_string()));
                }
                self.to_send.notify_one();
                self.to_run_hooks.notify_one();
            }
            None => self.to_begin.notify_one(),
        }
        let fresh = self.store.deployment(id).await?;
        fresh.ok_or_else(|| Refusal::NotFound(format!("there is no deployment {id}")))
    }

    /// Judges a delivery afresh, by its number in the store or the forge's id.
    pub async fn ask_to_redeliver(&self, id: &str) -> Result<Vec<Delivery>, Refusal> {
        let found = match id.trim_start_matches('#').parse::<i64>() {
            Ok(number) => self.store.delivery(number).await?.into_iter().collect(),
            Err(_) => self.store.deliveries_by_id(id).await?,
        };
        if found.is_empty() {
            return Err(Refusal::NotFound(format!("there is no delivery {id}; `launchway deliveries` lists them")));
        }
        for delivery in &found {
            if delivery.event.as_ref().and_then(|event| event.kind.change()).is_none() {
                return Err(Refusal::Impossible(format!(
                    "delivery {} is a {}: it deploys nothing",
                    delivery.number, delivery.kind
                )));
            }
            let reason = "asked to run again";
            self.store.judge_delivery(delivery.number, DeliveryOutcome::Received, reason).await?;
        }
        self.to_judge.notify_one();
        Ok(found)
    }
}
