//! What live releases use beyond launchway.toml: their next deployment is refused, and somebody should know before. They
//! themselves go on, and going back to them is never refused.

use crate::config::{Environment, Project, allow_lines};
use crate::model::{Problem, Release};
use crate::run::flow::asking::known;
use crate::run::flow::checkout;
use crate::run::ground::beyonds::Beyond;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::place::Place;
use crate::run::ground::reading::{ReadError, Reader};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// An engine or a mirror that was away is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// Looks after the start, and whenever what is live or the settings have changed, until the process ends.
pub async fn compare_with_settings(deployer: Arc<Deployer>) {
    deployer.beyonds.settings_changed();
    while !deployer.stop.is_cancelled() {
        let is_whole = tokio::select! {
            () = deployer.stop.cancelled() => return,
            is_whole = deployer.compare_changed() => is_whole,
        };
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = deployer.beyonds.wake.notified() => {}
            () = tokio::time::sleep(AGAIN), if !is_whole => {}
        }
    }
}

impl Deployer {
    /// Whether everything that changed could be looked at; what could not is to be looked at again.
    async fn compare_changed(&self) -> bool {
        let config = self.config();
        let all = self.beyonds.all.swap(false, Ordering::Relaxed);
        let changed = std::mem::take(&mut *self.beyonds.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let mut is_whole = true;
        for project in config.projects.values() {
            for environment in project.environments.values() {
                let place = (project.name.clone(), environment.name.clone());
                if !all && !changed.contains(&place) {
                    continue;
                }
                match self.compared(project, environment).await {
                    Ok(found) => self.note_beyond(place, found),
                    Err(error) => {
                        is_whole = false;
                        self.beyonds.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
                        tracing::debug!(
                            project = %project.name, environment = %environment.name, error = format!("{error:#}"),
                            "What is live could not be compared with launchway.toml; it is tried again"
                        );
                    }
                }
            }
        }
        is_whole
    }

    fn note_beyond(&self, place: Place, found: Option<Beyond>) {
        let mut all = self.beyonds.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &found {
            Some(beyond) => all.insert(place.clone(), beyond.clone()),
            None => all.remove(&place),
        };
        if let Some(beyond) = found.filter(|beyond| before.as_ref() != Some(beyond)) {
            let (project, environment) = place;
            tracing::warn!(
                project = %project, environment = %environment,
                what = beyond.what.join("; "), lines = beyond.lines.join(" | "),
                "{project}/{environment} uses more than launchway.toml allows: its next deployment is refused. `launchway status` has the lines to add"
            );
        }
    }

    async fn compared(&self, project: &Project, environment: &Environment) -> anyhow::Result<Option<Beyond>> {
        let Some(live) = self.store.live(&project.name, &environment.name).await? else { return Ok(None) };
        let Some(release) = self.store.release(live.release).await? else { return Ok(None) };
        let mut problems = self.read_again(project, environment, &release).await?;
        let observed = self.observe_engine(project, environment).await?;
        problems.extend(self.refused(&release, None, &observed).await?);
        problems.retain(Problem::is_error);
        if problems.is_empty() {
            return Ok(None);
        }
        let asked: Vec<&str> = problems.iter().filter_map(|problem| problem.allow.as_deref()).collect();
        let lines = allow_lines(project, environment, &asked);
        let mask = self.mask_of(&project.name, &environment.name);
        Ok(Some(Beyond {
            what: problems.iter().map(|problem| mask.sentence(&problem.to_string())).collect(),
            lines: lines.iter().map(|line| mask.sentence(line)).collect(),
        }))
    }

    /// What the release's commit is refused for by the settings as they are now.
    async fn read_again(
        &self,
        project: &Project,
        environment: &Environment,
        release: &Release,
    ) -> anyhow::Result<Vec<Problem>> {
        // A mirror that was lost is not fetched for this: the next push brings it.
        let Ok(tree) = self.mirrors.tree(&project.name, &release.commit) else { return Ok(Vec::new()) };
        let config = self.config();
        let answers = known(Some(release));
        let tree = Arc::new(tree);
        let reader = Reader {
            readers: Some(&self.readers),
            project: &project.name,
            cancel: &self.stop,
            most: config.limits.prepare,
            longest: config.limits.deploy,
        };
        let edge = config.edge.as_ref();
        self.hide_files(&project.name, environment);
        match checkout::read(project, environment, edge, &release.commit, tree, &answers, &reader).await {
            Ok(read) => Ok(read.err().unwrap_or_default()),
            // It would not be read for a deployment either.
            Err(ReadError::Died(why)) => Ok(vec![Problem::error(None, "", why)]),
            Err(error) => Err(error.into()),
        }
    }
}
