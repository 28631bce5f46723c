//! What live releases use beyond launchway.toml: their next deployment is refused, and somebody should know before. They
//! themselves go on, and going back to them is never refused.

use super::asking::known;
use super::checkout;
use super::deployer::{Deployer, Place};
use crate::config::{Environment, Project, allow_lines};
use crate::model::{Problem, Release};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// An engine or a mirror that was away is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// What one environment's live release uses and may not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beyond {
    /// Each with its place in the repository.
    pub what: Vec<String>,
    /// What launchway.toml has to say so that it is allowed, table by table. Empty where only another commit helps.
    pub lines: Vec<String>,
}

/// Of every environment in which anything goes beyond.
#[derive(Default)]
pub struct Beyonds {
    found: Mutex<BTreeMap<Place, Beyond>>,
    /// Something has changed: what is live, or the settings.
    pub changed: Notify,
}

impl Beyonds {
    pub fn of(&self, project: &Project, environment: &Environment) -> Option<Beyond> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&(project.name.clone(), environment.name.clone())).cloned()
    }
}

/// Looks after the start, and whenever what is live or the settings have changed, until the process ends.
pub async fn compare_with_settings(deployer: Arc<Deployer>) {
    while !deployer.stop.is_cancelled() {
        let is_whole = tokio::select! {
            () = deployer.stop.cancelled() => return,
            is_whole = deployer.compare_all() => is_whole,
        };
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = deployer.beyonds.changed.notified() => {}
            () = tokio::time::sleep(AGAIN), if !is_whole => {}
        }
    }
}

impl Deployer {
    /// Whether everything could be looked at.
    async fn compare_all(&self) -> bool {
        let config = self.config();
        let mut is_whole = true;
        let mut all = BTreeMap::new();
        for project in config.projects.values() {
            for environment in project.environments.values() {
                match self.compared(project, environment).await {
                    Ok(None) => {}
                    Ok(Some(beyond)) => drop(all.insert((project.name.clone(), environment.name.clone()), beyond)),
                    Err(error) => {
                        is_whole = false;
                        tracing::debug!(
                            project = %project.name, environment = %environment.name, error = format!("{error:#}"),
                            "What is live could not be compared with launchway.toml; it is tried again"
                        );
                    }
                }
            }
        }
        let before =
            std::mem::replace(&mut *self.beyonds.found.lock().unwrap_or_else(PoisonError::into_inner), all.clone());
        for ((project, environment), beyond) in all.iter().filter(|(place, beyond)| before.get(*place) != Some(*beyond))
        {
            tracing::warn!(
                project = %project, environment = %environment,
                what = self.mask().apply(&beyond.what.join("; ")), lines = beyond.lines.join(" | "),
                "{project}/{environment} uses more than launchway.toml allows: its next deployment is refused. `launchway status` has the lines to add"
            );
        }
        is_whole
    }

    async fn compared(&self, project: &Project, environment: &Environment) -> anyhow::Result<Option<Beyond>> {
        let Some(live) = self.store.live(&project.name, &environment.name).await? else { return Ok(None) };
        let Some(release) = self.store.release(live.release).await? else { return Ok(None) };
        let mut problems = self.read_again(project, environment, &release).await?;
        let observed = self.observe_engine(project, environment).await?;
        problems.extend(self.refused(&release, &observed).await?);
        problems.retain(Problem::is_error);
        if problems.is_empty() {
            return Ok(None);
        }
        let asked: Vec<&str> = problems.iter().filter_map(|problem| problem.allow.as_deref()).collect();
        let lines = allow_lines(project, environment, &asked);
        Ok(Some(Beyond {
            what: problems.iter().map(|problem| self.mask().apply(&problem.to_string())).collect(),
            lines,
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
        let read = checkout::read(project, environment, config.edge.as_ref(), &release.commit, tree, &answers).await;
        Ok(read.err().unwrap_or_default())
    }
}
