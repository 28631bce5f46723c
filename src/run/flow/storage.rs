//! What components would start on in place of what they have written to: a deployment that goes forwards asks first. And
//! which unnamed volumes new containers get.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{
    CommitId, ComponentName, EnvironmentName, Observed, ObservedContainer, Problem, ProjectName, Quoted, Release,
    ReleaseId, Stack, is_unnamed_volume,
};
use crate::plan::fingerprint::same;
use crate::plan::storage::{Change, Doubt, LeftVolume, LikelyNames, Lost, Now, changes, in_place_of, left, problems};
use crate::plan::unnamed::{Unnamed, clean, short_name};
use crate::plan::{Action, Plan, Target};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::stage_error::StageError;
use crate::store::{FreshVolume, LeftUnnamed, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// A release that is to take the place of what is live.
pub struct Question<'a> {
    pub live: Option<&'a Release>,
    pub release: &'a Release,
    pub observed: &'a Observed,
    /// What may be started on: names of `--fresh-volume`.
    pub names: &'a [String],
    /// Who gave them.
    pub by: &'a str,
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct Answered {
    /// What nobody has said yes to.
    pub problems: Vec<Problem>,
    /// What was said yes to just now, to be remembered.
    pub new: Vec<FreshVolume>,
    /// What starts on something else because somebody said so, and names that meant nothing, for people.
    pub lines: Vec<String>,
    /// What would wait for somebody's yes, had nobody said it, by the names of `--fresh-volume`.
    pub waiting: Vec<String>,
    /// Names that meant nothing.
    pub idle: Vec<String>,
}

impl Deployer {
    /// What of a release has to be asked about, and what was said to it.
    pub async fn ask_about_storage(&self, question: &Question<'_>, unnamed: &Unnamed) -> Result<Answered, StageError> {
        let Question { release, observed, names, by, .. } = *question;
        let now = self.now(question, unnamed);
        let said = self.store.fresh_volumes(&release.project, &release.environment).await?;
        let mut answered = Answered::default();
        let mut unanswered = Vec::new();
        let mut meant: BTreeSet<&String> = BTreeSet::new();
        for change in changes(&now, release, unnamed) {
            let called = names.iter().find(|name| change.is_called(name, release));
            meant.extend(called);
            let before = said.iter().find(|fresh| {
                (&fresh.component, &fresh.path) == (&change.component, &change.path)
                    && (fresh.old == change.old.to_string() && fresh.new == change.new.to_string())
            });
            if before.is_none() && !self.is_anything_there(&change).await? {
                continue;
            }
            if before.is_none() {
                answered.waiting.push(change.name());
            }
            match (before, called) {
                (Some(before), _) => answered.lines.push(in_place_of(&change, &before.by)),
                (None, Some(_)) => {
                    answered.lines.push(in_place_of(&change, by));
                    answered.new.push(fresh(&change, release, by));
                }
                (None, None) => unanswered.push(change),
            }
        }
        answered.idle = names.iter().filter(|name| !meant.contains(name)).cloned().collect();
        let idle = answered.idle.iter();
        answered.lines.extend(
            idle.map(|name| format!("--fresh-volume {} was not needed: nothing would start on it", Quoted(name))),
        );
        answered.problems = problems(&unanswered, &now, release, observed);
        Ok(answered)
    }

    /// What stands where now. Where nothing is, a stack of another Compose project may be meant.
    fn now(&self, question: &Question<'_>, unnamed: &Unnamed) -> Now {
        let Question { live, release, observed, .. } = question;
        let is_by_hand = |container: &ObservedContainer| container.release.is_none();
        if live.is_some() || observed.containers.iter().any(is_by_hand) {
            return Now::of(*live, release, observed);
        }
        Now::of_another_project(release, observed, &self.likely_names(release), unnamed).unwrap_or_default()
    }

    fn likely_names(&self, release: &Release) -> LikelyNames {
        let config = self.config();
        let environments = config.projects.values().flat_map(|project| project.environments.values());
        let environments = environments.map(|environment| environment.compose_project.clone()).collect();
        let project = config.projects.get(&release.project);
        let paths = project.map(|project| [project.full_name.as_str(), &project.repository, project.path.as_str()]);
        let last = |path: &str| path.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default().to_string();
        let folders = paths.into_iter().flatten().map(|path| last(path).trim_end_matches(".git").to_string());
        LikelyNames { folders: folders.collect(), environments }
    }

    /// Whether anything would be left behind, where only the engine can say. An engine that cannot is no reason to go on.
    async fn is_anything_there(&self, change: &Change) -> Result<bool, EngineError> {
        let (containers, is_own) = match &change.doubt {
            None => return Ok(true),
            Some(Doubt::Written(containers)) => (containers, true),
            Some(Doubt::There(containers)) if containers.is_empty() => return Ok(true),
            Some(Doubt::There(containers)) => (containers, false),
        };
        for container in containers {
            let found = match is_own {
                true => self.engine.has_written(container, &change.path).await,
                false => self.engine.has_path(container, &change.path).await,
            };
            match found {
                Ok(false) | Err(EngineError::NotFound { .. }) => {}
                Ok(true) => return Ok(true),
                Err(error @ EngineError::Unavailable { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(container, path = change.path, error = %error, "What a container has written cannot be seen");
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What is to be asked about a stack that was read somewhere else, as far as it can be known without its images.
    pub async fn check_storage(
        &self,
        project: &Project,
        environment: &Environment,
        stack: Stack,
    ) -> Result<Vec<Problem>, StageError> {
        let live = match self.store.live(&project.name, &environment.name).await? {
            Some(live) => self.store.release(live.release).await?,
            None => None,
        };
        let commit = CommitId::new("0".repeat(40)).map_err(StageError::host)?;
        let (project_name, environment_name) = (project.name.clone(), environment.name.clone());
        let release = Release {
            id: ReleaseId(0),
            project: project_name,
            environment: environment_name,
            commit,
            stack,
            parts: BTreeMap::new(),
        };
        let observed = self.observe_engine(project, environment).await?;
        let unnamed = self.unnamed(&release, &observed, None).await?;
        let question = Question { live: live.as_ref(), release: &release, observed: &observed, names: &[], by: "" };
        Ok(self.ask_about_storage(&question, &unnamed).await?.problems)
    }

    /// What is known of unnamed volumes. The engine is asked about the images of components that have such volumes; with
    /// `live`, of all that differ from it.
    pub async fn unnamed(
        &self,
        release: &Release,
        observed: &Observed,
        live: Option<&Release>,
    ) -> Result<Unnamed, StageError> {
        let records = self.store.left_volumes(&release.project, &release.environment).await?;
        let in_use: BTreeSet<&String> =
            observed.containers.iter().flat_map(|container| container.volumes.keys()).collect();
        let is_free = |one: &&LeftUnnamed| {
            one.was_live && observed.volumes.contains_key(&one.volume) && !in_use.contains(&one.volume)
        };
        // The newest comes last, and stays.
        let left: BTreeMap<_, _> = records
            .iter()
            .filter(is_free)
            .map(|one| ((one.component.clone(), one.replica, one.path.clone()), one.volume.clone()))
            .collect();
        let mut asked: BTreeSet<ComponentName> = left.keys().map(|(component, _, _)| component.clone()).collect();
        let has_some = observed.containers.iter().filter(|container| !container.anonymous_volumes.is_empty());
        asked.extend(has_some.map(|container| container.component.clone()));
        if let Some(live) = live {
            let same = same(live, &release.stack, &release.parts);
            asked.extend(release.stack.components.keys().filter(|name| !same.contains(*name)).cloned());
        }
        let mut of_images = BTreeMap::new();
        for name in asked {
            let Some(component) = release.stack.components.get(&name) else { continue };
            let part = release.parts.get(&name).map(|part| part.image.reference());
            let named = component.image.as_deref().filter(|_| component.build.is_none());
            let Some(reference) = part.or(named) else { continue };
            if let Some(image) = self.engine.image(reference).await? {
                of_images.insert(name, image.volumes.iter().map(|path| clean(path)).collect());
            }
        }
        Ok(Unnamed { of_images, left })
    }

    /// Notes, before a plan takes containers away, which unnamed volumes nobody has from then on. Returns what is to be said
    /// of them. `was_live`: the containers are of what was live.
    pub async fn note_left(
        &self,
        (project, environment): (&ProjectName, &EnvironmentName),
        plan: &Plan,
        observed: &Observed,
        was_live: bool,
    ) -> Result<Vec<String>, StoreError> {
        let removed: BTreeSet<&str> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::RemoveContainer(Target::Existing { id, .. }) => Some(id.as_str()),
                _ => None,
            })
            .collect();
        let (goes, stays): (Vec<_>, Vec<_>) =
            observed.containers.iter().partition(|container| removed.contains(container.id.as_str()));
        let in_use: BTreeSet<&String> = stays.into_iter().flat_map(|container| container.volumes.keys()).collect();
        let (mut all, mut lines) = (Vec::new(), Vec::new());
        for container in goes {
            for (path, volume) in container.anonymous_volumes.iter().filter(|(_, volume)| !in_use.contains(volume)) {
                let short = short_name(volume);
                lines.push(format!(
                    "the unnamed volume {short} of {} at {} stays, unused: `launchway status` lists it",
                    container.name,
                    Quoted(path)
                ));
                all.push(LeftUnnamed {
                    volume: volume.clone(),
                    project: project.clone(),
                    environment: environment.clone(),
                    component: container.component.clone(),
                    replica: container.replica,
                    path: path.clone(),
                    was_live,
                    at_ms: now_ms(),
                });
            }
        }
        if !all.is_empty() {
            let there = observed.volumes.keys().filter(|name| is_unnamed_volume(name)).cloned().collect();
            let place = (project.clone(), environment.clone());
            self.store.note_left_volumes(all, place, there).await?;
        }
        Ok(lines)
    }

    /// The environment's volumes that no live release names.
    pub async fn volumes_left(
        &self,
        project: &Project,
        environment: &Environment,
        live: Option<&Release>,
        observed: &Observed,
    ) -> Result<Vec<LeftVolume>, StoreError> {
        let volumes = live.into_iter().flat_map(|live| live.stack.volumes.values());
        let mut named: BTreeSet<String> = volumes.map(|volume| volume.name.clone()).collect();
        let (project, name) = (&project.name, &environment.name);
        let fresh = self.store.fresh_volumes(project, name).await?.into_iter().filter_map(|fresh| {
            let was = format!("{} at {}", fresh.component, Quoted(&fresh.path));
            Some(Lost { volume: fresh.old_volume?, was })
        });
        let unnamed = self.store.left_volumes(project, name).await?.into_iter().map(|one| {
            let number = if one.replica > 1 { format!("-{}", one.replica) } else { String::new() };
            Lost { volume: one.volume, was: format!("{}{number} at {}", one.component, Quoted(&one.path)) }
        });
        let lost: Vec<Lost> = fresh.chain(unnamed).collect();
        let place = (project, name, environment.compose_project.as_str());
        let found = left(place, &named, &lost, observed);
        if found.is_empty() {
            return Ok(found);
        }
        // Hardly ever: then all the others are asked, too.
        for id in self.store.releases_in_use().await? {
            let release = self.store.release(id).await?;
            let volumes = release.into_iter().flat_map(|release| release.stack.volumes.into_values());
            named.extend(volumes.map(|volume| volume.name));
        }
        Ok(left(place, &named, &lost, observed))
    }
}

fn fresh(change: &Change, release: &Release, by: &str) -> FreshVolume {
    FreshVolume {
        project: release.project.clone(),
        environment: release.environment.clone(),
        component: change.component.clone(),
        path: change.path.clone(),
        old: change.old.to_string(),
        new: change.new.to_string(),
        old_volume: change.old.volume_name().map(str::to_string),
        by: by.to_string(),
        at_ms: now_ms(),
    }
}
