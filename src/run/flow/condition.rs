//! How an environment stands just now, for whoever asks: each component of the live release beside what runs, and what
//! was changed by hand. It only looks.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{ComponentName, ContainerState, Ending, Health, Observed, ObservedContainer, Release};
use crate::plan::Wanted;
use crate::plan::attached::detached;
use crate::plan::drift::{Drift, drift};
use crate::plan::fingerprint;
use crate::plan::standing::{ComponentStanding, Standing, standings};
use crate::plan::storage::LeftVolume;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::place::Place;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionDetail {
    Components,
    /// What was changed by hand too.
    Drift,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentCondition {
    pub name: ComponentName,
    pub wanted: u32,
    pub running: u32,
    /// The worst of its replicas; `None` where nothing runs or nothing checks.
    pub health: Option<Health>,
    pub restarts: u64,
    /// What is not as it should be, or worth saying: `stopped by hand`, `exited with code 3`, `ended`.
    pub note: Option<String>,
}

/// How an environment stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConditionReport {
    pub components: Vec<ComponentCondition>,
    pub drift: Vec<Drift>,
    /// Volumes of the environment that no live release names.
    pub left: Vec<LeftVolume>,
}

/// Volumes with somebody's data that no live release of any environment names, those of deployments that failed and of what was
/// renamed, too; and what could not be looked at.
#[derive(Debug, Default)]
pub struct LeftVolumes {
    pub left: Vec<(Place, LeftVolume)>,
    pub problems: Vec<String>,
}

impl Deployer {
    /// `release`: what is live; absent where nothing is.
    pub async fn stand(
        &self,
        project: &Project,
        environment: &Environment,
        release: Option<&Release>,
        what: ConditionDetail,
    ) -> Result<ConditionReport, EngineError> {
        let observed = self.observe(project, environment).await?;
        let left = self.volumes_left(project, environment, release, &observed).await.unwrap_or_default();
        let Some(release) = release else { return Ok(ConditionReport { left, ..ConditionReport::default() }) };
        let wanted = Wanted::put_back(Some(release), fingerprint::accepted(Some(release), release));
        let stopped = self.store.stopped(&project.name, &environment.name).await.unwrap_or_default();
        let mut endings = BTreeMap::new();
        for container in observed.containers.iter().filter(|c| matches!(c.state, ContainerState::Exited { .. })) {
            let ending = match stopped.contains(&container.id) {
                true => Ending::Told,
                false if self.keeping.outages.explain_end_of(container) => Ending::WithEngine,
                false => self.engine.ending(&container.id).await.unwrap_or(Ending::Unknown),
            };
            endings.insert(container.id.clone(), ending);
        }
        let standings = standings(&wanted, &observed, &endings);
        let drift = match what {
            ConditionDetail::Components => Vec::new(),
            ConditionDetail::Drift => drift(&wanted, &observed, &standings, &self.images(release).await?),
        };
        let components = standings.iter().map(|standing| component(release, standing, &observed)).collect();
        Ok(ConditionReport { components, drift, left })
    }

    /// Of all environments of launchway.toml, by their names.
    pub async fn left_volumes(&self) -> LeftVolumes {
        let (config, mut all) = (self.config(), LeftVolumes::default());
        let mut places = Vec::new();
        for project in config.projects.values() {
            places.extend(project.environments.values().map(|environment| (project, environment)));
        }
        for (project, environment) in places {
            let place: Place = (project.name.clone(), environment.name.clone());
            let found = async {
                let release = match self.store.live(&place.0, &place.1).await? {
                    Some(live) => self.store.release(live.release).await?,
                    None => None,
                };
                let observed = self.observe(project, environment).await?;
                anyhow::Ok(self.volumes_left(project, environment, release.as_ref(), &observed).await?)
            };
            match found.await {
                Ok(found) => all.left.extend(found.into_iter().map(|left| (place.clone(), left))),
                Err(error) => all
                    .problems
                    .push(format!("the volumes of {}/{} could not be looked at: {error:#}", place.0, place.1)),
            }
        }
        all
    }

    async fn images(&self, release: &Release) -> Result<BTreeMap<ComponentName, String>, EngineError> {
        let mut images = BTreeMap::new();
        for (name, part) in &release.parts {
            if let Some(image) = self.engine.image(part.image.reference()).await? {
                images.insert(name.clone(), image.id);
            }
        }
        Ok(images)
    }
}

/// Who owns the component's name in its place.
fn front(standing: &ComponentStanding<'_>, observed: &Observed) -> Option<String> {
    let fronts = observed.fronts.iter().map(|front| &front.container);
    let own: Vec<&ObservedContainer> = fronts.filter(|front| front.component == *standing.name()).collect();
    let is_fronted = |c: &ObservedContainer| c.component == *standing.name() && c.fronted;
    match own.iter().find(|front| front.is_running()).or(own.first()) {
        Some(front) if front.is_running() => Some(format!("called through {}", front.name)),
        Some(front) => Some(format!("its front {} does not run", front.name)),
        None => observed.containers.iter().any(is_fronted).then(|| "its front is gone".into()),
    }
}

fn component(release: &Release, standing: &ComponentStanding<'_>, observed: &Observed) -> ComponentCondition {
    let running = standing.replicas.values().filter_map(|one| match one {
        Standing::Up(container) => Some(container.health),
        _ => None,
    });
    let health = running.filter(|health| *health != Health::None).max_by_key(|health| match health {
        Health::Unhealthy => 2,
        Health::Starting => 1,
        _ => 0,
    });
    let mut notes: Vec<String> = standing.replicas.values().filter_map(|one| note(*one)).collect();
    if !standing.others.is_empty() {
        notes.push("something else runs in its place".into());
    }
    let up = standing.replicas.values().filter_map(|one| one.container().filter(|_| matches!(one, Standing::Up(_))));
    let cut_off: BTreeSet<String> = up.flat_map(|container| detached(release, standing.component, container)).collect();
    notes.extend(cut_off.into_iter().map(|network| format!("not attached to network {network}")));
    notes.extend(front(standing, observed));
    notes.dedup();
    let (wanted, running) = (standing.wanted(), standing.running());
    let notes = if standing.is_job { vec!["a job".to_string()] } else { notes };
    ComponentCondition {
        name: standing.name().clone(),
        wanted,
        running,
        health,
        restarts: standing.restarts(),
        note: (!notes.is_empty()).then(|| notes.join(", ")),
    }
}

fn note(standing: Standing<'_>) -> Option<String> {
    match standing {
        Standing::Up(_) => None,
        Standing::Restarting(_) => Some("restarting".into()),
        Standing::Missing => Some("no container".into()),
        Standing::Ended(_) => Some("ended".into()),
        Standing::ByHand(container) if container.state == ContainerState::Paused => Some("paused by hand".into()),
        Standing::ByHand(_) => Some("stopped by hand".into()),
        Standing::Died(container) => Some(match container.state {
            ContainerState::Exited { .. } if container.oom_killed => "killed for want of memory".into(),
            ContainerState::Exited { code } => format!("exited with code {code}"),
            ContainerState::Dead => "dead".into(),
            _ => "never started".into(),
        }),
    }
}
