//! What the edge is asked of one environment: what it serves, and steps that lead traffic.

use crate::config::{Environment, Project};
use crate::edge::{EdgeClient, EdgeError, Health, Knocked};
use crate::engine::{Engine, EngineError, Outcome, Supplies};
use crate::model::{
    ComponentName, ComponentRoutes, ComponentTraffic, EdgeSettings, EnvironmentName, InFlight, Mask, Observed,
    ObservedEdge, ProjectName, Replica, RouteKey, WeightedRelease,
};
use crate::plan::{Action, Hold, Leader, Reach, RouteChange, Target, VolumeContent};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::fronts::Fronts;
use crate::run::ground::step_error::StepError;
use crate::run::ground::traffic_past::TrafficPast;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a replica that is drained is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often the engine is asked whether it lives.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// WebSockets that are closed at the drain's limit may take so long to end.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Carries out the steps that lead traffic.
#[async_trait::async_trait]
pub trait Lead: Send + Sync {
    async fn act(&self, action: &Action, cancel: &CancellationToken) -> Result<Outcome, StepError>;

    /// Which of a replica's ports take connections from whoever leads there; `None`: nobody leads there now.
    async fn knock(
        &self,
        reach: &Reach,
        leader: Leader,
        container: &str,
        ports: &[u16],
    ) -> Result<Option<Vec<u16>>, EdgeError>;
}

/// Holds a new release at its share of the traffic, and judges it.
#[async_trait::async_trait]
pub trait Holds: Send + Sync {
    /// Returns when the new release may have more, and what that took. Fails with [`StepError::Worse`] where it may not.
    async fn hold(&self, hold: &Hold, edge: &EdgeOf, cancel: &CancellationToken) -> Result<Outcome, StepError>;
}

/// The edge and the fronts, for one environment.
pub struct EdgeOf {
    /// `None` where this machine has no edge.
    client: Option<EdgeClient>,
    fronts: Arc<Fronts>,
    engine: Arc<dyn Engine>,
    /// How fronts are set up.
    settings: EdgeSettings,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Of a deployment; without it nothing can be held.
    canaries: Option<Arc<dyn Holds>>,
}

impl Deployer {
    /// What leads the environment's traffic.
    pub fn lead(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        canaries: Option<Arc<dyn Holds>>,
    ) -> Arc<dyn Lead> {
        Arc::new(EdgeOf { canaries, ..self.edge_of(project, environment) })
    }

    /// A snapshot of the environment. An edge that is away serves what it serves: nothing is known of it then.
    pub async fn observe(&self, project: &Project, environment: &Environment) -> Result<Observed, EngineError> {
        let mut observed = self.observe_engine(project, environment).await?;
        observed.edge = self.observe_edge(&project.name, &environment.name).await.unwrap_or_default();
        Ok(observed)
    }

    /// The same without the edge.
    pub async fn observe_engine(&self, project: &Project, environment: &Environment) -> Result<Observed, EngineError> {
        let mut observed = self.snapshot(project, environment).await?;
        self.fronts.observe(&project.name, &environment.name, &mut observed).await;
        Ok(observed)
    }

    /// `None` where this machine has no edge.
    pub async fn observe_edge(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Option<ObservedEdge>, EdgeError> {
        let config = self.config();
        let edge = self.edge_of(project, environment);
        let (Some(settings), Some(client)) = (&config.edge, &edge.client) else { return Ok(None) };
        Ok(Some(edge.observe(client, settings, &self.traffic_past).await?))
    }

    /// What leads to an environment's components.
    pub fn edge_of(&self, project: &ProjectName, environment: &EnvironmentName) -> EdgeOf {
        let config = self.config();
        EdgeOf {
            client: config.edge.is_some().then(|| EdgeClient::new(&config.data)),
            fronts: self.fronts.clone(),
            engine: self.engine.clone(),
            settings: config.edge.clone().unwrap_or_default(),
            project: project.clone(),
            environment: environment.clone(),
            canaries: None,
        }
    }
}

impl EdgeOf {
    /// What the edge serves of the environment now.
    async fn observe(
        &self,
        client: &EdgeClient,
        settings: &EdgeSettings,
        past: &TrafficPast,
    ) -> Result<ObservedEdge, EdgeError> {
        let table = client.routes().await?;
        let traffic = client.traffic().await?;
        past.note(&traffic);
        let Health { host_routes, lowest_port, .. } = client.health().await?;
        let range = Some(settings.addresses);
        let mut observed = ObservedEdge { range, host_routes, lowest_port, ..ObservedEdge::default() };
        for (key, routes) in table.components {
            let replicas = routes.releases.iter().flat_map(|release| &release.replicas);
            observed.addresses.extend(replicas.filter_map(|replica| replica.address));
            if self.is_own(&key) {
                observed.routes.insert(key.component, routes);
            }
        }
        for (key, component) in traffic.components {
            if self.is_own(&key) {
                observed.in_flight.extend(component.in_flight.into_iter().filter(|(_, flight)| !flight.is_idle()));
            }
        }
        Ok(observed)
    }

    fn is_own(&self, key: &RouteKey) -> bool {
        (&key.project, &key.environment) == (&self.project, &self.environment)
    }

    /// By what the edge knows a component.
    pub fn key(&self, component: &ComponentName) -> RouteKey {
        RouteKey { project: self.project.clone(), environment: self.environment.clone(), component: component.clone() }
    }

    /// At the edge all of it in one moment; at fronts, which share no way in, one after the other.
    async fn route(&self, change: &RouteChange) -> Result<Outcome, StepError> {
        let mut changes = Vec::new();
        for change in change.others.iter().chain([change]) {
            changes.push((self.key(&change.component), routes_of(change)?));
        }
        if let Some(client) = &self.client {
            let at_edge: Vec<_> = changes.iter().map(|(key, routes)| (key.clone(), at_edge(routes))).collect();
            client.change(&at_edge).await?;
        }
        for (key, routes) in &changes {
            self.fronts.change(key, routes).await?;
        }
        Ok(Outcome::default())
    }

    async fn start_front(&self, target: &Target, change: &RouteChange) -> Result<Outcome, StepError> {
        let Target::Existing { id, .. } = target else { return Ok(Outcome::default()) };
        let (key, routes) = (self.key(&change.component), routes_of(change)?);
        let action = Action::StartContainer(target.clone());
        let cancel = CancellationToken::new();
        let start = async { self.engine.act(&action, &NoFiles, &cancel).await.map(drop) };
        self.fronts.start(&key, id, &routes, &self.settings, start).await?;
        Ok(Outcome::default())
    }

    /// Waits until the replica has nothing left, or the limit is over, which is told.
    async fn drain(
        &self,
        component: &ComponentName,
        target: &Target,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Outcome, StepError> {
        let Target::Existing { id, .. } = target else { return Ok(Outcome::default()) };
        let (mut end, mut is_told, mut asked) = (Instant::now() + limit, false, Instant::now());
        loop {
            let left = match self.traffic_of(component).await {
                Ok(traffic) => traffic.in_flight.get(id).copied().unwrap_or_default(),
                // An edge that has ended has cut what it had; a new one counts what it took over.
                Err(error) if error.is_away() && Instant::now() < end => {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_EVERY) => continue,
                        () = cancel.cancelled() => return Err(EngineError::Cancelled.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            };
            if left.is_idle() {
                let note = format!("after {} s its WebSockets were closed", limit.as_secs());
                return Ok(Outcome { note: is_told.then_some(note), ..Outcome::default() });
            }
            // What it had is cut, though a client may keep its own end of it open for ever.
            if asked.elapsed() >= ASK_EVERY && !is_told {
                asked = Instant::now();
                if self.engine.has_ended(id).await? {
                    self.say_goodbye(component, id).await?;
                    let note = format!("it has ended while it still had {}", words(left));
                    return Ok(Outcome { note: Some(note), ..Outcome::default() });
                }
            }
            if Instant::now() >= end && left.connections > 0 && !is_told {
                is_told = true;
                self.say_goodbye(component, id).await?;
                end = Instant::now() + GOODBYE;
            } else if Instant::now() >= end {
                let note = format!("after {} s it still has {}; what is left is cut", limit.as_secs(), words(left));
                return Ok(Outcome { note: Some(note), ..Outcome::default() });
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = cancel.cancelled() => return Err(EngineError::Cancelled.into()),
            }
        }
    }

    /// What edge and front have counted of a component; nothing where neither leads to it.
    pub async fn traffic_of(&self, component: &ComponentName) -> Result<ComponentTraffic, EdgeError> {
        let key = self.key(component);
        let mut sum = ComponentTraffic::default();
        for client in self.clients(&key) {
            let traffic = client.traffic().await?;
            for (_, traffic) in traffic.components.into_iter().filter(|(other, _)| *other == key) {
                sum.add(traffic);
            }
        }
        Ok(sum)
    }

    async fn say_goodbye(&self, component: &ComponentName, container: &str) -> Result<(), EdgeError> {
        for client in self.clients(&self.key(component)) {
            client.say_goodbye(container).await?;
        }
        Ok(())
    }

    fn clients(&self, key: &RouteKey) -> Vec<EdgeClient> {
        self.client.iter().cloned().chain(self.fronts.clients(key)).collect()
    }
}

#[async_trait::async_trait]
impl Lead for EdgeOf {
    async fn act(&self, action: &Action, cancel: &CancellationToken) -> Result<Outcome, StepError> {
        match action {
            Action::Route(change) => self.route(change).await,
            Action::Unroute(component) => {
                if let Some(client) = &self.client {
                    client.remove(&self.key(component)).await?;
                }
                Ok(Outcome::default())
            }
            Action::StartFront { target, change } => self.start_front(target, change).await,
            Action::RenewFront(target) => {
                if let Some(container) = target.existing() {
                    self.fronts.renew(container).await?;
                }
                Ok(Outcome::default())
            }
            Action::Drain { component, target, limit } => self.drain(component, target, *limit, cancel).await,
            Action::Hold(hold) => match &self.canaries {
                Some(canaries) => canaries.hold(hold, self, cancel).await,
                None => {
                    let why = "only a deployment holds a canary".to_string();
                    Err(EngineError::Refused { attempted: action.verb(), why }.into())
                }
            },
            other => {
                let why = "that is no work for the edge".to_string();
                Err(EngineError::Refused { attempted: other.verb(), why }.into())
            }
        }
    }

    async fn knock(
        &self,
        reach: &Reach,
        leader: Leader,
        container: &str,
        ports: &[u16],
    ) -> Result<Option<Vec<u16>>, EdgeError> {
        let (client, address) = match leader {
            Leader::Edge => (self.client.clone(), reach.address),
            Leader::Front => (self.fronts.clients(&self.key(&reach.component)).pop(), None),
        };
        let Some(client) = client else { return Ok(None) };
        let knocked = client.knock(Replica::at(container.to_string(), address), ports.to_vec()).await?;
        Ok(Some(Knocked::accepting(ports, &knocked)))
    }
}

/// Of what is served, what the edge serves; `None`: nothing leads there from outside.
fn at_edge(routes: &ComponentRoutes) -> Option<ComponentRoutes> {
    let mut routes = routes.clone();
    routes.entries.retain(|entry| !entry.listen.is_inside());
    // A replica that only a front led to until now has no address on the edge's network.
    routes.releases.iter_mut().for_each(|release| release.replicas.retain(|replica| replica.address.is_some()));
    routes.releases.retain(|release| !release.replicas.is_empty());
    let total: u32 = routes.releases.iter().map(|release| u32::from(release.weight)).sum();
    if total != 100 && total > 0 {
        for release in &mut routes.releases {
            release.weight = (u32::from(release.weight) * 100 / total) as u8;
        }
        let sum: u8 = routes.releases.iter().map(|release| release.weight).sum();
        if let Some(first) = routes.releases.first_mut() {
            first.weight += 100 - sum;
        }
    }
    (!routes.entries.is_empty()).then_some(routes)
}

/// A front that is started needs nothing of a commit.
struct NoFiles;

#[async_trait::async_trait]
impl Supplies for NoFiles {
    async fn archive(&self, _: &VolumeContent) -> anyhow::Result<BoxStream<'static, Result<Bytes, std::io::Error>>> {
        anyhow::bail!("there are no files of a commit here")
    }
    fn progress(&self, _: &str) {}
    fn mask(&self) -> Mask {
        Mask::default()
    }
}

/// As they are served. Every replica is there by now.
fn routes_of(change: &RouteChange) -> Result<ComponentRoutes, StepError> {
    let mut releases = Vec::new();
    for share in &change.shares {
        let mut replicas = Vec::new();
        for (target, address) in &share.replicas {
            let Target::Existing { id, .. } = target else {
                let attempted = "lead traffic to a container".to_string();
                return Err(EngineError::Refused { attempted, why: "it is not created yet".into() }.into());
            };
            replicas.push(Replica::at(id.clone(), *address));
        }
        releases.push(WeightedRelease { release: share.release, weight: share.weight, replicas });
    }
    Ok(ComponentRoutes { entries: change.entries.clone(), releases, held: change.held, sticky: change.sticky.clone() })
}

/// `2 requests and 1 connection`
fn words(left: InFlight) -> String {
    let of = |count: u64, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let parts: Vec<String> =
        [of(left.requests, "request"), of(left.connections, "connection")].into_iter().flatten().collect();
    parts.join(" and ")
}
