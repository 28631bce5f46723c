//! Reads an environment's past from the store, for what it tells.

use super::Refusal;
use super::deployer::{Deployer, now_ms};
use crate::config::{Environment, Project};
use crate::model::{DeploymentId, EnvironmentName, ProjectName, Work};
use crate::plan::insights::{History, Past};
use crate::store::{Deployment, Trigger};
use std::collections::BTreeMap;

/// More days than that are not looked at.
pub const MOST_INSIGHT_DAYS: u32 = 3650;
/// More deployments than that of one environment are not looked at.
const MOST_DEPLOYMENTS: u32 = 1000;
const DAY_MS: i64 = 24 * 3_600_000;

impl Deployer {
    /// An environment by its names; all of a project, or of all projects, where they are not named.
    pub fn find_environments(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Vec<(Project, Environment)>, Refusal> {
        if project.is_some() && environment.is_some() {
            return Ok(vec![self.find_environment(project, environment)?]);
        }
        let config = self.config();
        if let Some(name) = project.filter(|name| !config.projects.contains_key(*name)) {
            let known: Vec<&str> = config.projects.keys().map(ProjectName::as_str).collect();
            let known = known.join(", ");
            return Err(Refusal::NotFound(format!(
                "there is no project {name:?} in launchway.toml; there are {known}"
            )));
        }
        let asked = config.projects.values().filter(|one| project.is_none_or(|name| one.name.as_str() == name));
        let environments = asked.flat_map(|project| project.environments.values().map(move |one| (project, one)));
        Ok(environments.map(|(project, environment)| (project.clone(), environment.clone())).collect())
    }

    /// The past of the last days, and whether there was more than is in it.
    pub async fn history(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        days: u32,
    ) -> Result<(History, bool), Refusal> {
        let until_ms = now_ms();
        let from_ms = until_ms - i64::from(days) * DAY_MS;
        let newest = self.store.deployments(Some(project), Some(environment), MOST_DEPLOYMENTS).await?;
        let more = newest.len() == MOST_DEPLOYMENTS as usize && newest.last().is_some_and(|d| d.created_ms >= from_ms);
        let pushed = self.store.pushed_times(project, environment, MOST_DEPLOYMENTS).await?;
        let mut work: BTreeMap<DeploymentId, Vec<Work>> = BTreeMap::new();
        for one in self.store.work_history(project, environment, MOST_DEPLOYMENTS).await? {
            work.entry(one.deployment).or_default().push(one);
        }
        let mut deployments = Vec::new();
        for deployment in newest.into_iter().rev() {
            let Some(ended_ms) = deployment.ended_ms.filter(|ended| *ended >= from_ms) else { continue };
            let work = work.remove(&deployment.id).unwrap_or_default();
            deployments.push(past(&deployment, ended_ms, pushed.get(&deployment.id).copied(), work));
        }
        let stack = match self.store.live(project, environment).await? {
            Some(live) => self.store.release(live.release).await?.map(|release| release.stack),
            None => None,
        };
        // Use is not measured yet.
        let usage = BTreeMap::new();
        Ok((History { deployments, stack, usage, from_ms, until_ms }, more))
    }
}

fn past(deployment: &Deployment, ended_ms: i64, pushed_ms: Option<i64>, work: Vec<Work>) -> Past {
    Past {
        id: deployment.id,
        state: deployment.state,
        is_rollback: deployment.trigger == Trigger::Rollback,
        pushed_ms,
        created_ms: deployment.created_ms,
        started_ms: deployment.started_ms,
        ended_ms,
        touched: deployment.touched,
        host_fault: deployment.host_fault,
        work,
    }
}
