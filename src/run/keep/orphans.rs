//! Environments that left launchway.toml while something of them is live: what of them runs, and taking it away.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{EnvironmentName, Listen, ProjectName, Release};
use crate::plan::converge::{Goal, Wanted};
use crate::plan::unnamed::Unnamed;
use crate::run::flow::deploy::Convergence;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::refusal::Refusal;
use crate::run::ground::stage_error::{Limit, StageError, within};
use crate::store::{Action, Live, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A container that was told to stop is waited for.
const REST: Duration = Duration::from_secs(60);

/// An environment that nobody watches or deploys to any more.
pub struct Orphan {
    project: Project,
    environment: Environment,
    live: Live,
    release: Release,
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
    pub fn project(&self) -> &ProjectName {
        &self.project.name
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment.name
    }

    pub fn release(&self) -> &Release {
        &self.release
    }

    fn is_named(&self, project: Option<&str>, environment: Option<&str>) -> bool {
        let is = |said: Option<&str>, name: &str| said.is_none_or(|said| said == name);
        let (own, name) = (self.project.name.as_str(), self.environment.name.as_str());
        (is(project, own) && is(environment, name)) || (project.is_none() && environment == Some(own))
    }
}

impl Deployer {
    /// Environments in which something is live and that are not in launchway.toml.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let config = self.config();
        let mut found = Vec::new();
        for (project, name, live) in self.store.all_live().await? {
            if config.environment(&project, &name).is_some() {
                continue;
            }
            let Some(release) = self.store.release(live.release).await? else { continue };
            let environment = Environment::gone(name, release.stack.compose_project.clone());
            let project = config.projects.get(&project).cloned().unwrap_or_else(|| Project::gone(project));
            found.push(Orphan { project, environment, live, release });
        }
        Ok(found)
    }

    /// What of it is on the engine.
    pub async fn remains(&self, orphan: &Orphan) -> Result<Remains, EngineError> {
        let observed = self.snapshot(&orphan.project, &orphan.environment).await?;
        let mut remains = Remains::default();
        for container in observed.containers.iter().filter(|container| container.is_running()) {
            remains.running.push(container.name.clone());
            let published = container.published.iter();
            remains
                .ports
                .extend(published.map(|port| format!("{}:{}/{}", port.host_ip, port.port, port.protocol.word())));
        }
        for entry in orphan.release.stack.components.values().flat_map(|component| component.edge_entries()) {
            match &entry.listen {
                Listen::Shared { host, .. } => {
                    remains.hosts.insert(host.clone().unwrap_or_else(|| "every host that nobody else has".to_string()));
                }
                Listen::Port { port, .. } => {
                    remains.ports.insert(format!("{port} at the edge"));
                }
                Listen::Inside { .. } => {}
            }
        }
        let volumes = orphan.release.stack.volumes.values().map(|volume| volume.name.clone());
        remains.volumes = volumes.filter(|name| observed.volumes.contains_key(name)).collect();
        Ok(remains)
    }

    /// Takes away the containers and networks of an environment that left launchway.toml, and what leads to it. Volumes stay;
    /// they are what is told of it.
    pub async fn ask_to_remove(
        self: &Arc<Self>,
        project: Option<&str>,
        environment: Option<&str>,
        by: &str,
    ) -> Result<(Orphan, Remains), Refusal> {
        let orphan = self.orphan_named(project, environment).await?;
        let place = (orphan.project.name.clone(), orphan.environment.name.clone());
        let named = format!("{}/{}", place.0, place.1);
        let remains = self.remains(&orphan).await.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let Some(_control) = self.occupancy.occupy(place.clone(), orphan.live.deployment) else {
            return Err(Refusal::Impossible(format!("something is done in {named} just now: try again")));
        };
        let removed = self.remove(&orphan).await;
        self.leave(&place);
        removed.map_err(|error| Refusal::Impossible(format!("{named} could not be removed: {error}")))?;
        self.store.forget_live(&place.0, &place.1).await?;
        let deployment = Some(orphan.live.deployment);
        self.store.note_audit(self.audited(by, Action::Remove, place, deployment, None)).await?;
        Ok((orphan, remains))
    }

    async fn orphan_named(&self, project: Option<&str>, environment: Option<&str>) -> Result<Orphan, Refusal> {
        let all = self.orphans().await?;
        let names = all.iter().map(|one| format!("{}/{}", one.project.name, one.environment.name));
        let known = names.collect::<Vec<_>>().join(", ");
        let mut found: Vec<Orphan> = all.into_iter().filter(|one| one.is_named(project, environment)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(Refusal::NotFound(format!("several could be meant; name one: {known}"))),
            (None, _) if self.find_environment(project, environment).is_ok() => Err(Refusal::Impossible(
                "it is in launchway.toml, and its next push would deploy it again: take it out of the file first"
                    .into(),
            )),
            (None, _) if known.is_empty() => {
                Err(Refusal::NotFound("no environment has left launchway.toml while something of it was live".into()))
            }
            (None, _) => {
                Err(Refusal::NotFound(format!("only what has left launchway.toml can be removed; that is {known}")))
            }
        }
    }

    async fn remove(&self, orphan: &Orphan) -> Result<(), StageError> {
        let Orphan { project, environment, live, .. } = orphan;
        let log = self.logs.open(live.deployment, self.mask_of(&project.name, &environment.name));
        let log = log.map_err(StageError::host)?;
        log.line(None, "removing what runs: the environment has left launchway.toml, and somebody asked for it");
        let stop = self.stop.child_token();
        let convergence = Convergence {
            deployer: self,
            project,
            environment,
            wanted: Wanted {
                release: None,
                accepted: BTreeMap::new(),
                deployment: None,
                goal: Goal::PutBack,
                release_commands: BTreeSet::new(),
                passed: BTreeMap::new(),
                found: Vec::new(),
                unnamed: Unnamed::default(),
            },
            tree: None,
            log: &log,
            cancel: &stop,
            canaries: None,
            outlook: Arc::default(),
        };
        let limit = Limit { what: "removing", time: self.config().limits.deploy, rest: REST };
        within(limit, &stop, convergence.converge(None)).await?;
        convergence.clean().await;
        Ok(())
    }
}
