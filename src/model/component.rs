//! A component: one service of the Compose file, read, interpolated and normalised.
//!
//! Every optional key is skipped when it is not written, so that the fingerprint (a hash over the serialised form)
//! changes only with what the file says, never with a default that we learn later.

use super::mount::is_false;
use super::{ComponentName, ComponentSettings, Mount, Place, RepoPath, Secret};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One service of a stack, as it is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    pub name: ComponentName,
    /// Where the service begins in the Compose file.
    pub place: Place,
    /// `image:`; with `build:` too it is only a further name for what is built.
    pub image: Option<String>,
    pub build: Option<BuildSpec>,
    /// The component whose build is its image: `image:` names what that one builds. It has no `build` of its own then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<ComponentName>,
    pub pull: PullPolicy,
    pub container: ContainerSettings,
    pub depends_on: BTreeMap<ComponentName, Dependency>,
    /// How many containers; `deploy.replicas`, `scale`, else 1. May be 0.
    pub replicas: u32,
    /// `deploy.update_config`, as far as written.
    pub update: UpdateConfig,
    /// `x-launchway` of the service.
    pub settings: ComponentSettings,
    /// What the edge opens for it; those ports are not among the container's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<super::RouteEntry>,
    /// Paths that its image declares as volumes (`VOLUME`), as far as they were known when the release was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_volumes: Vec<String>,
    /// Others that its image names in what it says of itself (`ENV`), as far as that was known when the release was made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub image_calls: BTreeSet<ComponentName>,
    /// Names of its containers (`shop-api-1`) by which others call it, found when the release was made. A front has them, and the
    /// containers have others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub called_containers: BTreeSet<String>,
    /// Ports of its own that a replica answered HTTP at when it was asked, where nothing in the file says what they speak.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub answers_http: BTreeSet<u16>,
    /// Ports of its own at which what ran before took connections when the release was made: its callers rely on them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub answered: BTreeSet<u16>,
    /// Requests a second that the edge led to it in the minutes before the release was made; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<f64>,
}

impl Component {
    /// Whether a front owns its name for its callers.
    pub fn is_fronted(&self) -> bool {
        self.entries.iter().any(|entry| entry.listen.is_inside())
    }

    /// What the edge opens for it.
    pub fn edge_entries(&self) -> impl Iterator<Item = &super::RouteEntry> {
        self.entries.iter().filter(|entry| !entry.listen.is_inside())
    }
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// Pull when the engine does not have the image.
    #[default]
    Missing,
    Always,
    Never,
    /// Build even where an image is named.
    Build,
}

/// What is waited for before a component starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    pub condition: Condition,
    /// `required: false`: its absence or failure is only warned about.
    pub required: bool,
    /// `restart: true`: restart the dependant after this dependency was replaced.
    pub restart: bool,
}

/// How far a dependency has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

/// `deploy.update_config`; durations are seconds-precise or better.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UpdateConfig {
    pub parallelism: Option<u32>,
    pub delay: Option<Duration>,
    pub monitor: Option<Duration>,
    /// `pause`, `continue` or `rollback`.
    pub failure_action: Option<String>,
    /// 0.0 to 1.0.
    pub max_failure_ratio: Option<f64>,
    /// `stop-first` or `start-first`.
    pub order: Option<String>,
}

/// How an image is built (`build:`). Paths are inside the repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BuildSpec {
    pub context: RepoPath,
    /// The Dockerfile's path inside the repository (`dockerfile:` is relative to the context, and may lie outside it), as it is
    /// named: it may be a symbolic link, and the ignore file beside it is called after the link.
    pub dockerfile: RepoPath,
    /// `dockerfile_inline:`, or the text of a template from `templates/dockerfiles`; stands in for `dockerfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile_inline: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<BuildSecret>,
    /// Name -> folder of the repository, or an image (`docker-image://...`) or URL as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_contexts: BTreeMap<String, AdditionalContext>,
    /// Images that the Dockerfile names (`FROM`, `COPY --from`) and another component builds: the name in its shortest form,
    /// and who builds it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<String, ComponentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// At most one: the engine builds for one platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_cache: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub pull: bool,
    /// Further names for the image (`tags:`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
}

/// A further context of a build: `additional_contexts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdditionalContext {
    Folder(RepoPath),
    /// `docker-image://...`, `https://...`.
    Reference(String),
    /// `service:NAME`: the image of another component.
    Component(ComponentName),
}

/// A secret that a build may mount (`RUN --mount=type=secret,id=...`). Its value is not part of the content key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSecret {
    pub id: String,
    pub value: Secret,
}

/// A limit of the kernel for each process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

/// All that the engine's create call takes and the Compose file may say; what is absent is the image's or engine's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Variables that the containers have not, though the image sets them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unset_environment: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `container_name:`: at most one container of the component can exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// `8080/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "NetworkMode::is_default")]
    pub network_mode: NetworkMode,
    /// Networks by their key under top-level `networks`; `default` where the service names none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, NetworkAttachment>,
    /// `links:` as written (`db:database`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_opt: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    #[serde(skip_serializing_if = "is_false")]
    pub tty: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub stdin_open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Time between the stop signal and SIGKILL; the engine's own default is 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// Which cores its processes may use, such as `0-2,4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size_bytes: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kill_disable: Option<bool>,
    /// `logging:`; where absent, Launchway rotates (json-file, 20 MB, 5 files).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
}

impl ContainerSettings {
    /// The component among whose processes it is: `pid: service:NAME`.
    pub fn processes_of(&self) -> Option<ComponentName> {
        self.pid.as_deref()?.strip_prefix("service:").and_then(|name| ComponentName::new(name).ok())
    }

    /// The component whose network it has: `network_mode: service:NAME`.
    pub fn network_of(&self) -> Option<&ComponentName> {
        if let NetworkMode::Component(other) = &self.network_mode { Some(other) } else { None }
    }

    /// Components of which it joins the first replica's container: it starts after that one, and has to be started again when
    /// that one is.
    pub fn joins(&self) -> BTreeSet<ComponentName> {
        self.network_of().cloned().into_iter().chain(self.processes_of()).collect()
    }
}

/// A published port. `published` is `None` where the engine picks one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Port in the container.
    pub target: u16,
    pub published: Option<u16>,
    /// Address of the host as written; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    pub protocol: Protocol,
    /// `app_protocol: http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// How a port is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// The word in a Compose file.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

/// What network a container has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode", content = "of")]
pub enum NetworkMode {
    /// The networks that the service names.
    #[default]
    Networks,
    None,
    Host,
    Bridge,
    /// Shares another component's network: `service:NAME`.
    Component(ComponentName),
    /// Shares a foreign container's network: `container:NAME`.
    Container(String),
}

impl NetworkMode {
    fn is_default(&self) -> bool {
        *self == NetworkMode::Networks
    }
}

/// How a container hangs on a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkAttachment {
    /// Further names there, besides the service's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
}

impl HealthCheck {
    /// Whatever the image says, nothing is checked.
    pub fn disabled() -> Self {
        Self {
            test: HealthTest::Disabled,
            interval: None,
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: None,
        }
    }
}

/// `healthcheck:`. Absent times are the image's, else the engine's (interval 30 s, timeout 30 s, 3 retries).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub test: HealthTest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Duration>,
    /// From API 1.44.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// What tells whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "command")]
pub enum HealthTest {
    /// The image's own test, with other times.
    Inherit,
    /// `disable: true` or `["NONE"]`.
    Disabled,
    Exec(Vec<String>),
    Shell(String),
}

/// When the engine starts a container again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "policy")]
pub enum RestartPolicy {
    No,
    Always,
    UnlessStopped,
    OnFailure {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_retries: Option<u32>,
    },
}

/// Limits and reservations; memory in bytes, CPU in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit_millis: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_reservation_millis: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation_bytes: Option<i64>,
    /// Memory and swap together; -1 is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
}

impl Resources {
    fn is_empty(&self) -> bool {
        *self == Resources::default()
    }
}

/// Where the engine keeps what a container says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Logging {
    pub driver: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}
