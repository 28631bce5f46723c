//! What runs, as the engine says it.

use super::{
    ComponentName, ComponentRoutes, DeploymentId, EnvironmentName, Fingerprint, InFlight, Mounted, ProjectName,
    Protocol, ReleaseId, ReplicaAddress,
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A snapshot of the engine for one environment, plus what others hold that the environment may want.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The id of the store that asked; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub store: String,
    /// Containers of the environment: by our labels, or by Compose's for the same Compose project. No one-offs.
    pub containers: Vec<ObservedContainer>,
    /// Our own one-offs: containers in which release commands run or ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub release_commands: Vec<ObservedContainer>,
    /// Names of every network on the engine, with whether it carries our or Compose's labels for this project.
    pub networks: BTreeMap<String, ObservedNetwork>,
    /// Every volume on the engine by name.
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// Containers of others: their names and published ports may stand in the way.
    pub foreign: Vec<ForeignContainer>,
    /// Ports of the host on which anybody listens, containers' published ones too; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listening: Vec<PublishedPort>,
    /// Volumes that Launchway itself mounts, and networks that it hangs on, where it runs in a container of this engine.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub own_volumes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub own_networks: BTreeSet<String>,
    /// What the edge serves; `None` where this machine has no edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<ObservedEdge>,
    /// The environment's fronts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fronts: Vec<ObservedFront>,
    /// Whether the engine keeps containers apart by IPv6, too, as networks ask for it.
    #[serde(default)]
    pub filters_ipv6: bool,
    /// What fronts are made of here: the id of the program that they run. `None`: none can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_program: Option<String>,
}

/// The container that owns a component's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedFront {
    /// Its `component` is the one whose name it owns, its `fingerprint` says which names it owns on which networks.
    pub container: ObservedContainer,
    /// What it serves, as it says it, with ways in as [`super::Listen::Inside`]; `None` where it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<ComponentRoutes>,
    /// The id of the program that it runs, as it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// When it began without an address that it had had, as it says it: Unix time in milliseconds. Who has looked its name
    /// up before may know the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_ms: Option<i64>,
}

/// What the edge serves, as it says it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ObservedEdge {
    /// The environment's own.
    pub routes: BTreeMap<ComponentName, ComponentRoutes>,
    /// Addresses of replicas of every environment that are routed to, or still have something to finish.
    pub addresses: BTreeSet<IpAddr>,
    /// What the environments' edge networks are cut from.
    pub range: Option<Ipv4Net>,
    /// Networks to which the host leads, those of the engine among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_routes: Vec<HostRoute>,
    /// The lowest port that it may open; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest_port: Option<u16>,
    /// By the engine's id of the container: what it still has to finish.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_flight: BTreeMap<String, InFlight>,
}

/// A network to which a host leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    pub net: Ipv4Net,
    /// Such as `eth0`.
    pub device: String,
}

/// A container of the environment, as the engine has it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedContainer {
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    pub component: ComponentName,
    /// From `com.docker.compose.container-number`; 1 where absent.
    pub replica: u32,
    /// Ours, absent on what Compose started by hand.
    pub fingerprint: Option<Fingerprint>,
    pub project: Option<ProjectName>,
    pub environment: Option<EnvironmentName>,
    pub release: Option<ReleaseId>,
    /// The deployment that created it.
    pub deployment: Option<DeploymentId>,
    pub state: ContainerState,
    pub health: Health,
    /// The image's id as this engine says it of the container.
    pub image_id: String,
    /// RFC 3339, as the engine has it.
    pub created_at: String,
    pub restart_count: u64,
    pub oom_killed: bool,
    /// When its last run ended: Unix time in milliseconds, by the engine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// When its last run began, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    /// Volumes mounted: name -> path in the container.
    pub volumes: BTreeMap<String, String>,
    /// Those of `volumes` that nobody named, path in the container -> volume name.
    pub anonymous_volumes: BTreeMap<String, String>,
    /// All that is mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mounted>,
    /// The image that it was created from, as whoever did so named it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Network name -> IPv4 address there; empty where it has none now.
    pub networks: BTreeMap<String, String>,
    pub published: Vec<PublishedPort>,
    /// Where the edge reaches it, whether it runs or not: handed out when it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_address: Option<ReplicaAddress>,
    /// A front owns the component's name in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fronted: bool,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Exited {
        code: i64,
    },
    /// The engine could not start or remove it.
    Dead,
}

/// What a container's health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No health check.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// A port that the engine holds on the host for a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// `0.0.0.0`, `::`, `127.0.0.1`, ...
    pub host_ip: String,
    pub port: u16,
    pub protocol: Protocol,
}

/// A network, as the engine has it now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedNetwork {
    pub id: String,
    pub labels: BTreeMap<String, String>,
    pub driver: String,
    pub internal: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ipam_driver: String,
    /// As it was asked for, or as the engine chose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipam: Vec<super::Subnet>,
    /// Another Launchway made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another: Option<AnotherStore>,
}

/// A volume, as the engine has it now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedVolume {
    pub labels: BTreeMap<String, String>,
    pub driver: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Another Launchway made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another: Option<AnotherStore>,
}

/// What carries Launchway's labels, and neither this store's seal nor a record in this store. Nothing of it is known to be
/// true: it is for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnotherStore {
    /// The id of the store that sealed it, as it says; absent where it has no seal.
    pub id: Option<String>,
    /// The project, the environment and the Compose project that it claims.
    pub project: String,
    pub environment: String,
    pub compose_project: String,
}

impl AnotherStore {
    /// What claims to be Launchway's and is not known to be this one's.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let said = |key: &str| labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
        // A label of another application may begin alike; these two every Launchway has written.
        said(label::PROJECT).or(said(label::SEAL)).or(said(label::FILLS))?;
        let said = |key| said(key).unwrap_or_default().to_string();
        Some(Self {
            id: labels.get(label::SEAL).and_then(|seal| super::store_of(seal)).map(str::to_string),
            project: said(label::PROJECT),
            environment: said(label::ENVIRONMENT),
            compose_project: said(label::COMPOSE_PROJECT),
        })
    }
}

/// A container that is none of the environment's, as far as it may stand in its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignContainer {
    pub id: String,
    pub name: String,
    pub running: bool,
    /// Claims, for messages alone.
    pub labels: BTreeMap<String, String>,
    pub published: Vec<PublishedPort>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mounted>,
    /// The image that it was created from, as whoever did so named it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Another Launchway made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another: Option<AnotherStore>,
}

impl ObservedEdge {
    /// The container gets new requests.
    pub fn serves(&self, component: &ComponentName, id: &str) -> bool {
        self.routes.get(component).is_some_and(|routes| routes.serving().any(|replica| replica.id == id))
    }
}

impl ObservedContainer {
    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running)
    }

    /// It runs, and no health check says otherwise.
    pub fn is_well(&self) -> bool {
        self.is_running() && !matches!(self.health, Health::Starting | Health::Unhealthy)
    }
}

/// Labels that say what a container, network, volume or image is, so that it can be recognised after a restart.
///
/// Labels are claims: an image, a Dockerfile or anybody with the engine can write them. What the engine's room hands on has
/// been checked against their seal ([`super::SealKey`]) or against what the store recorded.
pub mod label {
    /// What only Launchway writes.
    pub const OWN: &str = "launchway.";
    /// What only Compose, and Launchway in its manner, writes.
    pub const COMPOSES: &str = "com.docker.compose.";

    /// The project.
    pub const PROJECT: &str = "launchway.project";
    /// The environment.
    pub const ENVIRONMENT: &str = "launchway.environment";
    /// The component.
    pub const COMPONENT: &str = "launchway.component";
    /// The release that created it: for people and for collecting; never compared.
    pub const RELEASE: &str = "launchway.release";
    /// The deployment that made it.
    pub const DEPLOYMENT: &str = "launchway.deployment";
    /// The commit of its release.
    pub const COMMIT: &str = "launchway.commit";
    /// What it was made of: [`super::super::Fingerprint`].
    pub const FINGERPRINT: &str = "launchway.fingerprint";
    /// What an image was built of: [`super::super::ContentKey`].
    pub const CONTENT_KEY: &str = "launchway.content-key";
    /// What a container is for, where it is no replica of its component.
    pub const ROLE: &str = "launchway.role";
    /// The role of a container in which a release command runs.
    pub const RELEASE_COMMAND: &str = "release-command";
    /// The role of a container that owns a component's name for its callers.
    pub const FRONT: &str = "front";
    /// On replicas whose component's name a front owns.
    pub const FRONTED: &str = "launchway.fronted";
    /// On the containers that guard and fill a volume with files of a commit: the volume.
    pub const FILLS: &str = "launchway.fills";
    /// By which this store knows that it wrote the other labels (`SealKey`).
    pub const SEAL: &str = "launchway.seal";
    /// On images that were built anew although their content had been built before: the deployment.
    pub const BUILT_ANEW_BY: &str = "launchway.built-anew-by";
    /// On containers: the address at which the edge reaches it, for people and earlier versions. The engine itself is asked
    /// where a container is.
    pub const EDGE_ADDRESS: &str = "launchway.edge-address";
    /// The same of IPv6, where it has one.
    pub const EDGE_ADDRESS_6: &str = "launchway.edge-address-6";
    /// On volumes that hold files of a commit: the tree or blob id.
    pub const CONTENT: &str = "launchway.content";

    /// Compose's word for what belongs together.
    pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
    /// The service.
    pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
    /// Which of the service's containers, from 1.
    pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
    /// `True` on what `docker compose run` made.
    pub const COMPOSE_ONEOFF: &str = "com.docker.compose.oneoff";
    /// What Compose made a container of.
    pub const COMPOSE_CONFIG_HASH: &str = "com.docker.compose.config-hash";
    /// The network's key in the Compose file.
    pub const COMPOSE_NETWORK: &str = "com.docker.compose.network";
    /// The volume's key in the Compose file.
    pub const COMPOSE_VOLUME: &str = "com.docker.compose.volume";
    /// The version of Compose; its containers and networks have it.
    pub const COMPOSE_VERSION: &str = "com.docker.compose.version";
}
