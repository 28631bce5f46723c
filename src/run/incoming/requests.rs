//! What people ask for: deploy, cancel, run a delivery again. Going back is `rollback`.

use crate::config::{Environment, Project};
use crate::model::{CommitId, DeploymentId, DeploymentState, EnvironmentName, ProjectName, RefName, Transition};
use crate::report::texts::Situation;
use crate::run::flow::checkout::{fetch, remote_tips};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::{new_key, now_ms};
use crate::run::ground::refusal::Refusal;
use crate::run::ground::work_record::Fetching;
use crate::run::incoming::fresh_volumes::refuse_idle;
use crate::run::incoming::places::{Named, list, named, place};
use crate::store::{Action, Delivery, DeliveryOutcome, Deployment, NewDeployment, Trigger};
use std::collections::BTreeMap;
use std::fmt::Display;

/// What a deployment is to do anew although nothing of it changed, or although it leaves something behind.
#[derive(Debug, Clone, Default)]
pub struct AskedAnew {
    /// Build everything, and pull base images.
    pub build: bool,
    /// Resolve the tags of images that are only named.
    pub pull: bool,
    /// What components may start on in place of what they have: volumes, or `component:path`.
    pub fresh_volumes: Vec<String>,
}

impl Deployer {
    /// The project and environment that somebody names. Neither needs to be named where only one could be meant.
    pub fn find_environment(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<(Project, Environment), Refusal> {
        let config = self.config();
        let mut found = named(&config, project, environment)?;
        match (found.pop(), found.is_empty()) {
            (Some((project, environment)), true) => Ok((project.clone(), environment.clone())),
            (Some(last), false) => {
                found.push(last);
                Err(Refusal::NotFound(format!("several could be meant; name one: {}", list(found.iter().map(place)))))
            }
            (None, _) => Err(Refusal::NotFound("launchway.toml has no environment".into())),
        }
    }

    /// All that could be meant by such names; every environment where there are none.
    pub fn find_environments(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Vec<(Project, Environment)>, Refusal> {
        let config = self.config();
        let found = named(&config, project, environment)?;
        Ok(found.into_iter().map(|(project, environment)| (project.clone(), environment.clone())).collect())
    }

    /// What to look for where things of the past are listed: of environments, too, that are no longer in launchway.toml.
    pub async fn names_of_the_past(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<(Option<ProjectName>, Option<EnvironmentName>), Refusal> {
        let config = self.config();
        let Named { project, environment } = Named::of(&config, project, environment);
        let wrong = |error: &dyn Display| Refusal::NotFound(error.to_string());
        let names = (
            project.map(ProjectName::new).transpose().map_err(|error| wrong(&error))?,
            environment.map(EnvironmentName::new).transpose().map_err(|error| wrong(&error))?,
        );
        let was_there = !self.store.deployments(names.0.as_ref(), names.1.as_ref(), 1).await?.is_empty();
        if !was_there {
            named(&config, project, environment)?;
        }
        Ok(names)
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
        self.check_fresh_volumes(project, environment, &commit, &anew.fresh_volumes).await?;
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
            fresh_volumes: anew.fresh_volumes,
        };
        let added = self.enqueue(new).await?;
        self.works.note(fetched.as_work_of(added.id));
        Ok(added)
    }

    /// Refuses a name for which no place of the commit waits, and names those that wait. What cannot be known now (the
    /// commit's files are wrong, the engine is away) is left to the deployment, which says it.
    async fn check_fresh_volumes(
        &self,
        project: &Project,
        environment: &Environment,
        commit: &CommitId,
        names: &[String],
    ) -> Result<(), Refusal> {
        if names.is_empty() {
            return Ok(());
        }
        match self.preview(project, environment, Some(commit.as_str()), None, names).await {
            Ok(preview) => refuse_idle(&preview.idle, &preview.waiting),
            Err(error) => {
                tracing::debug!(error = %error, "Whether names of --fresh-volume mean something is not known before the deployment");
                Ok(())
            }
        }
    }

    /// The commit that would be deployed, fetched, and the ref that it is on.
    pub async fn commit_to_deploy(
        &self,
        project: &Project,
        environment: &Environment,
        commit: Option<&str>,
    ) -> Result<(CommitId, RefName), Refusal> {
        let tips = remote_tips(self, project).await;
        let tips = tips.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let wanted: Vec<RefName> = tips.keys().filter(|reference| environment.wants(reference)).cloned().collect();
        if tips.is_empty() {
            let name = &project.full_name;
            return Err(Refusal::NotFound(format!("{name} is empty: push a commit first")));
        }
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
                if let Some(refused) = self.names_a_ref(project, &tips, text) {
                    return Err(refused);
                }
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
                let newest = self.commit_of_ref(&project.name, &reference);
                let newest = newest.map_err(|error| Refusal::Failed(error.into()))?.ok_or_else(|| {
                    Refusal::NotFound(format!("every recent commit of {} is marked to be skipped", reference.short()))
                })?;
                Ok((newest.id, reference))
            }
        }
    }

    /// Where somebody gave the name of a branch or tag for a commit: which commit that is, as far as it is known here.
    fn names_a_ref(&self, project: &Project, tips: &BTreeMap<RefName, CommitId>, text: &str) -> Option<Refusal> {
        let (reference, tip) =
            tips.iter().find(|(reference, _)| [reference.short(), reference.as_str()].contains(&text))?;
        let kind = if reference.tag().is_some() { "tag" } else { "branch" };
        // A tag may be an object of its own.
        let commit = self.mirrors.tip(&project.name, reference).ok().flatten();
        let is = match (commit, reference.tag()) {
            (Some(commit), _) => format!("; its commit is {commit}"),
            (None, None) => format!("; its commit is {tip}"),
            (None, Some(_)) => String::new(),
        };
        Some(Refusal::NotFound(format!(
            "{text:?} is a {kind}, and --commit takes a commit{is}. Without --commit the newest commit of the environment's branch is deployed"
        )))
    }

    /// Cancels a deployment in whatever stage it is.
    pub async fn ask_to_cancel(&self, id: DeploymentId, by: &str) -> Result<Deployment, Refusal> {
        let deployment = self.store.deployment(id).await?;
        let deployment = deployment.ok_or_else(|| Refusal::NotFound(format!("there is no deployment {id}")))?;
        if !self.store.ask_to_cancel(id, by.to_string()).await? {
            return Err(Refusal::Impossible(format!(
                "deployment {} has ended already: {}",
                deployment.named(),
                deployment.state
            )));
        }
        let place = (deployment.project.clone(), deployment.environment.clone());
        self.store.note_audit(self.audited(by, Action::Cancel, place, Some(id), None)).await?;
        match self.occupancy.running(id) {
            Some(control) => control.cancel.cancel(),
            None if deployment.state == DeploymentState::Waiting => {
                let live = self.live_in(&deployment).await;
                let situation = Situation::Cancelled { by: Some(by), during: None, release_command_ran: false, live };
                let mask = self.mask_of(&deployment.project, &deployment.environment);
                let said = self.says((&deployment.project, &deployment.environment), &situation, &mask);
                // Should it have begun just now, its own flow sees that it is cancelled.
                let advanced = self.store.advance(id, Transition::Cancel, said, now_ms()).await?;
                if let Err(illegal) = advanced {
                    return Err(Refusal::Impossible(illegal.to_string()));
                }
                self.bells.to_send.notify_one();
                self.bells.to_run_hooks.notify_one();
            }
            None => self.bells.to_begin.notify_one(),
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
        self.bells.to_judge.notify_one();
        Ok(found)
    }
}
