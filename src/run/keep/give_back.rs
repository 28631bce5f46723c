//! The ways out: `launchway give-back`, by which an environment goes back to Docker Compose with its data as it is, and
//! `launchway remove`, which takes away what runs of one that left launchway.toml.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{ComponentName, Fingerprint, Listen, Release, ReleasePart, Stack, Tree};
use crate::plan::Wanted;
use crate::plan::fingerprint::{accepted, fingerprint};
use crate::plan::order::levels;
use crate::plan::routing::without_edge;
use crate::run::flow::deploy::Convergence;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::refusal::Refusal;
use crate::run::ground::stage_error::{Limit, StageError, within};
use crate::run::keep::orphans::{Orphan, Remains};
use crate::store::{Action, Deployment, NewRelease, StoreError, Trigger};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why nothing is deployed there any more, until somebody resumes.
const GIVEN_BACK: &str = "given back to Docker Compose";
/// A container that was told to stop is waited for.
const REST: Duration = Duration::from_secs(60);

impl Deployer {
    /// Puts the live release live once more as Compose alone would have it: the engine publishes its ports, no front owns a
    /// name, nothing hangs on the edge's network. Volumes and all other networks stay as they are. From then on the
    /// environment is paused: nothing is watched or deployed there.
    pub async fn ask_to_give_back(
        &self,
        project: &Project,
        environment: &Environment,
        by: &str,
    ) -> Result<Deployment, Refusal> {
        let place = format!("{}/{}", project.name, environment.name);
        let live = self.store.live(&project.name, &environment.name).await?;
        let live = live.ok_or_else(|| Refusal::Impossible(format!("nothing is live in {place}")))?.release;
        let release = self.store.release(live).await?;
        let release = release.ok_or_else(|| Refusal::NotFound(format!("release {live} is not in the store")))?;
        let mut stack = release.stack.clone();
        without_edge(&mut stack);
        let parts = parts(&release, &stack)?;
        self.ask_to_pause(project, environment, Some(GIVEN_BACK.into()), by).await?;
        let new = NewRelease {
            project: release.project.clone(),
            environment: release.environment.clone(),
            commit: release.commit.clone(),
            stack,
            parts,
        };
        let plain = self.store.add_release(new, now_ms()).await?;
        self.go_live_at_once(project, environment, (plain.id, live), Trigger::GiveBack, by).await
    }

    /// Environments in which something is live and that are not in launchway.toml.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let config = self.config();
        let mut found = Vec::new();
        for (project, name, live) in self.store.all_live().await? {
            if config.environment(&project, &name).is_some() {
                continue;
            }
            let Some(release) = self.store.release(live.release).await? else { continue };
            let environment = Environment::bare(name, release.stack.compose_project.clone());
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
        self.forget_orphan(&orphan, by, Action::Remove).await?;
        Ok((orphan, remains))
    }

    async fn forget_orphan(&self, orphan: &Orphan, by: &str, action: Action) -> Result<(), StoreError> {
        let place = (orphan.project.name.clone(), orphan.environment.name.clone());
        self.store.forget_live(&place.0, &place.1).await?;
        let deployment = Some(orphan.live.deployment);
        self.store.note_audit(self.audited(by, action, place, deployment, None)).await
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
                Err(Refusal::NotFound(format!("only what has left launchway.toml can be meant; that is {known}")))
            }
        }
    }

    /// Puts what is live there live once more as Compose alone would have it, and forgets it: from then on it is Docker
    /// Compose's. What is on the engine then is told.
    pub async fn ask_to_give_back_an_orphan(
        self: &Arc<Self>,
        project: Option<&str>,
        environment: Option<&str>,
        by: &str,
    ) -> Result<(Orphan, Remains), Refusal> {
        let orphan = self.orphan_named(project, environment).await?;
        let place = (orphan.project.name.clone(), orphan.environment.name.clone());
        let named = format!("{}/{}", place.0, place.1);
        let mut stack = orphan.release.stack.clone();
        without_edge(&mut stack);
        let parts = parts(&orphan.release, &stack)?;
        let Release { project, environment, commit, .. } = orphan.release.clone();
        let new = NewRelease { project, environment, commit, stack, parts };
        let Some(_control) = self.occupancy.occupy(place.clone(), orphan.live.deployment) else {
            return Err(Refusal::Impossible(format!("something is done in {named} just now: try again")));
        };
        let given = match self.store.add_release(new, now_ms()).await {
            Ok(plain) => self.put_as_compose_has_it(&orphan, &plain).await.map_err(|error| {
                Refusal::Impossible(format!(
                    "{named} could not be given back: {error}. `launchway give-back {named}` goes on where it ended"
                ))
            }),
            Err(error) => Err(error.into()),
        };
        self.leave(&place);
        given?;
        let remains = self.remains(&orphan).await.map_err(|error| Refusal::Impossible(error.to_string()))?;
        self.forget_orphan(&orphan, by, Action::GiveBack).await?;
        Ok((orphan, remains))
    }

    async fn put_as_compose_has_it(&self, orphan: &Orphan, plain: &Release) -> Result<(), StageError> {
        let Orphan { project, environment, release, .. } = orphan;
        let line = "giving it back to Docker Compose: it has left launchway.toml, and somebody asked for it";
        let log = self.log_of_orphan(orphan, line)?;
        let observed = self.observe_engine(project, environment).await?;
        let tree = self.mirrors.tree(&project.name, &release.commit).ok();
        let unnamed = self.unnamed(plain, &observed, None).await?;
        let wanted = Wanted { unnamed, ..Wanted::put_back(Some(plain), accepted(Some(release), plain)) };
        let tree = tree.map(|tree| Arc::new(tree) as Arc<dyn Tree>);
        self.converge_orphan(orphan, (wanted, tree), "giving back", &log).await
    }

    async fn remove(&self, orphan: &Orphan) -> Result<(), StageError> {
        let line = "removing what runs: the environment has left launchway.toml, and somebody asked for it";
        let log = self.log_of_orphan(orphan, line)?;
        let wanted = Wanted::put_back(None, BTreeMap::new());
        self.converge_orphan(orphan, (wanted, None), "removing", &log).await
    }

    /// The log of the deployment that made it live, with what is done now as its next line.
    fn log_of_orphan(&self, orphan: &Orphan, line: &str) -> Result<DeploymentLog, StageError> {
        let mask = self.mask_of(&orphan.project.name, &orphan.environment.name);
        let log = self.logs.open(orphan.live.deployment, mask).map_err(StageError::host)?;
        log.line(None, line);
        Ok(log)
    }

    /// Carries out what is wanted of it, and takes away what is not needed then. `what`: for people, where it takes too long.
    async fn converge_orphan(
        &self,
        orphan: &Orphan,
        (wanted, tree): (Wanted<'_>, Option<Arc<dyn Tree>>),
        what: &'static str,
        log: &DeploymentLog,
    ) -> Result<(), StageError> {
        let Orphan { project, environment, .. } = orphan;
        let stop = self.stop.child_token();
        let (canaries, outlook) = (None, Arc::default());
        let convergence =
            Convergence { deployer: self, project, environment, wanted, tree, log, cancel: &stop, canaries, outlook };
        let limit = Limit { what, time: self.config().limits.deploy, rest: REST };
        within(limit, &stop, convergence.converge(None)).await?;
        convergence.clean().await;
        Ok(())
    }
}

/// The same images. What reaches a container as before keeps its fingerprint, so that it is not touched.
fn parts(release: &Release, stack: &Stack) -> Result<BTreeMap<ComponentName, ReleasePart>, Refusal> {
    let order = levels(stack).map_err(|cycle| Refusal::Impossible(cycle.to_string()))?;
    let mut fingerprints: BTreeMap<ComponentName, Fingerprint> = BTreeMap::new();
    let mut parts = BTreeMap::new();
    for name in order.into_iter().flatten() {
        let (Some(component), Some(part)) = (stack.components.get(&name), release.parts.get(&name)) else { continue };
        let before = release.stack.components.get(&name);
        let is_same = before.is_some_and(|before| before.container == component.container);
        let part = match is_same {
            true => part.clone(),
            false => {
                let fingerprint = fingerprint(stack, component, &part.image, part.paths.as_deref(), &fingerprints);
                ReleasePart::new(part.image.clone(), fingerprint, part.paths.clone())
            }
        };
        fingerprints.insert(name.clone(), part.fingerprint.clone());
        parts.insert(name, part);
    }
    Ok(parts)
}
