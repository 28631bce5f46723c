//! Environments that left launchway.toml while something of them is live.

use crate::config::{Environment, Project};
use crate::model::Release;
use crate::store::Live;
use std::collections::BTreeSet;

/// An environment that nobody watches or deploys to any more.
pub struct Orphan {
    pub project: Project,
    pub environment: Environment,
    /// What is live there.
    pub live: Live,
    pub release: Release,
}

/// What of an orphan is on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Names of containers that run.
    pub running: Vec<String>,
    /// Ports of the host: `127.0.0.1:8080/tcp`.
    pub ports: BTreeSet<String>,
    /// Hosts that the edge leads to it.
    pub hosts: BTreeSet<String>,
    /// Volumes that hold its data.
    pub volumes: Vec<String>,
}

impl Orphan {
    /// Whether somebody means it who says these names.
    pub fn is_named(&self, project: Option<&str>, environment: Option<&str>) -> bool {
        let is = |said: Option<&str>, name: &str| said.is_none_or(|said| said == name);
        let (own, name) = (self.project.name.as_str(), self.environment.name.as_str());
        (is(project, own) && is(environment, name)) || (project.is_none() && environment == Some(own))
    }
}
