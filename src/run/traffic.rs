//! What the edge is asked of one environment: what it serves, and steps that lead traffic.

use super::canary::Canaries;
use super::deployer::{Deployer, scope};
use super::executor::StepError;
use super::traffic_past::TrafficPast;
use crate::config::{Environment, Project};
use crate::edge::{EdgeClient, EdgeError};
use crate::engine::{EngineError, Outcome};
use crate::model::{
    ComponentName, ComponentRoutes, ComponentTraffic, EdgeSettings, EnvironmentName, InFlight, Observed, ObservedEdge,
    ProjectName, Replica, RouteKey, WeightedRelease,
};
use crate::plan::{Action, RouteChange, Target};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a replica that is drained is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// WebSockets that are closed at the drain's limit may take so long to end.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Carries out the steps that lead traffic.
#[async_trait::async_trait]
pub trait Lead: Send + Sync {
    async fn act(&self, action: &Action, cancel: &CancellationToken) -> Result<Outcome, StepError>;
}

/// The edge, for one environment.
pub struct EdgeOf {
    pub client: EdgeClient,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Of a deployment; without it nothing can be held.
    pub canaries: Option<Canaries>,
}

impl Deployer {
    /// What leads the environment's traffic; `None` where this machine has no edge.
    pub fn lead(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        canaries: Option<Canaries>,
    ) -> Option<Arc<dyn Lead>> {
        let edge = self.edge_of(project, environment)?;
        Some(Arc::new(EdgeOf { canaries, ..edge }))
    }

    /// A snapshot of the environment. An edge that is away serves what it serves: nothing is known of it then.
    pub async fn observe(&self, project: &Project, environment: &Environment) -> Result<Observed, EngineError> {
        let mut observed = self.engine.observe(&scope(project, environment)).await?;
        observed.edge = self.observe_edge(&project.name, &environment.name).await.unwrap_or_default();
        Ok(observed)
    }

    /// `None` where this machine has no edge.
    pub async fn observe_edge(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Option<ObservedEdge>, EdgeError> {
        let config = self.config();
        let (Some(settings), Some(edge)) = (&config.edge, self.edge_of(project, environment)) else { return Ok(None) };
        Ok(Some(edge.observe(settings, &self.traffic_past).await?))
    }

    pub fn edge_of(&self, project: &ProjectName, environment: &EnvironmentName) -> Option<EdgeOf> {
        let config = self.config();
        config.edge.as_ref()?;
        let client = EdgeClient::new(&config.data);
        Some(EdgeOf { client, project: project.clone(), environment: environment.clone(), canaries: None })
    }
}

impl EdgeOf {
    /// What the edge serves of the environment now.
    async fn observe(&self, settings: &EdgeSettings, past: &TrafficPast) -> Result<ObservedEdge, EdgeError> {
        let table = self.client.routes().await?;
        let traffic = self.client.traffic().await?;
        past.note(&traffic);
        let host_routes = self.client.health().await?.host_routes;
        let mut observed = ObservedEdge { range: Some(settings.addresses), host_routes, ..ObservedEdge::default() };
        for (key, routes) in table.components {
            let replicas = routes.releases.iter().flat_map(|release| &release.replicas);
            observed.addresses.extend(replicas.map(|replica| replica.address));
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

    pub fn key(&self, component: &ComponentName) -> RouteKey {
        RouteKey { project: self.project.clone(), environment: self.environment.clone(), component: component.clone() }
    }

    /// All of it in one moment.
    async fn route(&self, change: &RouteChange) -> Result<Outcome, StepError> {
        let mut changes = Vec::new();
        for change in change.others.iter().chain([change]) {
            let routes = (!change.entries.is_empty()).then(|| routes_of(change)).transpose()?;
            changes.push((self.key(&change.component), routes));
        }
        self.client.change(&changes).await?;
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
        let (mut end, mut is_told) = (Instant::now() + limit, false);
        loop {
            let left = match self.traffic_of(component).await {
                Ok(traffic) => traffic.in_flight.get(id).copied().unwrap_or_default(),
                // An edge that has ended has cut what it had; a new one counts what it took over.
                Err(EdgeError::Away { .. }) if Instant::now() < end => {
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
            if Instant::now() >= end && left.connections > 0 && !is_told {
                is_told = true;
                self.client.say_goodbye(id).await?;
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

    /// What the edge has counted of a component; nothing where it leads to none.
    pub async fn traffic_of(&self, component: &ComponentName) -> Result<ComponentTraffic, EdgeError> {
        let key = self.key(component);
        let traffic = self.client.traffic().await?;
        let own = traffic.components.into_iter().find(|(other, _)| *other == key);
        Ok(own.map(|(_, traffic)| traffic).unwrap_or_default())
    }
}

#[async_trait::async_trait]
impl Lead for EdgeOf {
    async fn act(&self, action: &Action, cancel: &CancellationToken) -> Result<Outcome, StepError> {
        match action {
            Action::Route(change) => self.route(change).await,
            Action::Unroute(component) => {
                self.client.remove(&self.key(component)).await?;
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
}

/// As the edge takes them. Every replica is there by now.
fn routes_of(change: &RouteChange) -> Result<ComponentRoutes, StepError> {
    let mut releases = Vec::new();
    for share in &change.shares {
        let mut replicas = Vec::new();
        for (target, address) in &share.replicas {
            let Target::Existing { id, .. } = target else {
                let attempted = "lead traffic to a container".to_string();
                return Err(EngineError::Refused { attempted, why: "it is not created yet".into() }.into());
            };
            replicas.push(Replica { id: id.clone(), address: IpAddr::V4(*address) });
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
