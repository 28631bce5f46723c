//! A plan: a graph of small steps, each one call to the engine or the edge, or a time to wait.

use super::Reach;
use crate::model::{ComponentName, ContainerSettings, ReleaseId, ReplicaAddress, RouteEntry, Secret, Sticky};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is to be done, in which order. A plan for a state that is already right is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// By id, ascending; every step waits only for steps before it.
    pub steps: Vec<Step>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Counts from 1 within the plan.
    pub id: u32,
    /// Steps that must have succeeded first.
    pub waits_for: Vec<u32>,
    pub component: Option<ComponentName>,
    /// What it acts on, for people: `api-2`, `network shop-production_default`.
    pub subject: String,
    pub action: Action,
    /// Why it is needed: `replaces api-1 of release 41`.
    pub cause: String,
    pub phase: Phase,
}

/// When a step may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Adds things; what runs does not notice.
    Prepare,
    /// Changes what runs. Begins only when every step of `Prepare` has succeeded.
    Deploy,
    /// Takes away what is no longer needed; only after the new release counts as good.
    Clean,
}

impl Plan {
    /// Whether a container of the component is started.
    pub fn starts(&self, component: &ComponentName) -> bool {
        let starts = |step: &Step| matches!(step.action, Action::StartContainer(_));
        self.steps.iter().any(|step| step.component.as_ref() == Some(component) && starts(step))
    }
}

/// One call to the engine or the edge. Targets that the same plan creates are named by their step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    CreateNetwork(Box<NetworkSpec>),
    CreateVolume(Box<VolumeSpec>),
    /// A volume with files of the commit: created, and filled by archive upload.
    FillVolume(Box<ContentVolume>),
    CreateContainer(Box<ContainerSpec>),
    /// The same for a front, whose image the engine is asked to make where it lacks it.
    CreateFront(Box<ContainerSpec>),
    /// Tells a front that does not run what to serve, and starts it.
    StartFront {
        target: Target,
        change: Box<RouteChange>,
    },
    /// Has a front go on with the program that runs here.
    RenewFront(Target),
    StartContainer(Target),
    /// `grace`: time between the stop signal and SIGKILL; `None` is the container's own.
    StopContainer {
        target: Target,
        grace: Option<Duration>,
    },
    RenameContainer {
        target: Target,
        name: String,
    },
    /// Removes a stopped container; never its volumes.
    RemoveContainer(Target),
    WaitReady {
        target: Target,
        readiness: Readiness,
    },
    /// The edge serves these routes of the component from now on.
    Route(Box<RouteChange>),
    /// Nothing leads to the component any more.
    Unroute(ComponentName),
    /// Waits until a replica that gets nothing new has finished what it has, or the limit is over.
    Drain {
        component: ComponentName,
        target: Target,
        limit: Duration,
    },
    /// Lets a time pass before the next batch.
    Pause(Duration),
    /// Watches a canary at its share of the traffic, and judges it.
    Hold(Box<Hold>),
}

/// What the edge is to serve of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteChange {
    pub component: ComponentName,
    pub entries: Vec<RouteEntry>,
    /// Weights add up to 100.
    pub shares: Vec<Share>,
    /// Requests wait although there are replicas.
    pub held: bool,
    pub sticky: Option<Sticky>,
    /// What becomes, in the same moment, of components from which it takes ways in. Without entries: nothing leads to
    /// them any more.
    pub others: Vec<RouteChange>,
}

/// A release's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub release: ReleaseId,
    /// Whole percent.
    pub weight: u8,
    /// With the address at which the edge reaches each; a front finds them by their ids.
    pub replicas: Vec<(Target, Option<ReplicaAddress>)>,
}

/// A canary's hold: how long at which share, and what is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    pub component: ComponentName,
    pub new: ReleaseId,
    pub old: ReleaseId,
    /// The new release's share in whole percent.
    pub weight: u8,
    /// Counts from 1.
    pub number: usize,
    pub of: usize,
    pub time: Duration,
    /// Somebody has to promote it even when it is as good.
    pub gate: bool,
    /// The new release's replicas.
    pub replicas: Vec<Target>,
    pub settings: crate::model::CanarySettings,
    /// What is asked beside what the edge counts.
    pub measures: Vec<crate::model::Measure>,
}

/// A container: one that is there, or the one that a step of this plan creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Existing { id: String, name: String },
    Created { step: u32 },
}

/// A network that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    pub network: crate::model::Network,
    pub labels: BTreeMap<String, String>,
}

/// A volume that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    pub volume: crate::model::Volume,
    pub labels: BTreeMap<String, String>,
}

/// A volume that is to be filled with files of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentVolume {
    pub name: String,
    pub content: VolumeContent,
    pub labels: BTreeMap<String, String>,
}

/// What a content volume holds. Paths are inside the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeContent {
    /// The folder's files at the volume's root, and what other mounts are put on.
    Folder { path: crate::model::RepoPath, mount_points: Vec<crate::model::MountPoint> },
    /// One file, at the volume's root, under [`CONTENT_FILE`].
    File { path: crate::model::RepoPath },
    /// One file with this text, under [`CONTENT_FILE`].
    Text { text: Secret, uid: u32, gid: u32, mode: u32 },
}

/// The name of the only file in a content volume that holds a single file.
pub const CONTENT_FILE: &str = "content";

/// All that the engine needs to create one container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    pub name: String,
    /// A tag, digest or id that the engine has.
    pub image: String,
    /// The component's settings. Their `mounts`, `networks`, `network_mode`, `labels` and `logging` are not to be read:
    /// the resolved ones below count.
    pub settings: ContainerSettings,
    pub mounts: Vec<EngineMount>,
    pub network: EngineNetworkMode,
    /// The container among whose processes it is; counts in place of the settings' `pid: service:x`.
    pub processes_of: Option<Target>,
    pub labels: BTreeMap<String, String>,
    pub logging: crate::model::Logging,
}

/// What network a container has, as the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineNetworkMode {
    /// The first is the one that the container is created with (default route by priority, as Compose orders them).
    Networks(Vec<EngineNetwork>),
    None,
    Host,
    Bridge,
    Container(Target),
    /// `container:NAME` of somebody else's.
    ForeignContainer(String),
}

/// A network of a container, as the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineNetwork {
    /// The network's name on the engine.
    pub name: String,
    pub aliases: Vec<String>,
    pub ipv4_address: Option<String>,
    pub ipv6_address: Option<String>,
    pub mac_address: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
}

/// A mount of a container, as the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineMount {
    Volume {
        name: String,
        target: String,
        read_only: bool,
        no_copy: bool,
        subpath: Option<String>,
    },
    /// A new volume without a name.
    Anonymous {
        target: String,
        read_only: bool,
    },
    /// The single file [`CONTENT_FILE`] of a content volume at `target`, read-only.
    ContentFile {
        volume: String,
        target: String,
    },
    Host {
        path: String,
        target: String,
        read_only: bool,
        propagation: Option<String>,
        create: bool,
    },
    /// What lies at `subpath` below the folder `path` of the host, which `volume` stands for: no link leads out of it.
    Below {
        volume: String,
        path: String,
        subpath: String,
        target: String,
        read_only: bool,
    },
    Tmpfs {
        target: String,
        size_bytes: Option<i64>,
        mode: Option<u32>,
        options: Option<String>,
        read_only: bool,
    },
}

/// When a container counts as ready, and how long that may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    pub goal: ReadyGoal,
    /// How long it must stay up where neither a health check nor a port tells.
    pub stay_up: Duration,
    /// From now on; then the component has failed.
    pub deadline: Duration,
    /// TCP ports in the container that the Compose file names: one of them must answer where there is no health check.
    pub ports: Vec<u16>,
    /// What it writes goes into the deployment's log, line by line.
    pub follow: bool,
    /// Ports that whoever leads there has to reach as well, once the engine calls it ready.
    pub reach: Option<Reach>,
}

/// How far a container has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyGoal {
    /// Healthy by its health check, else a port answers, else it stayed up.
    Ready,
    /// Ended with exit code 0.
    Completed,
}

impl Target {
    /// The engine's id of a container that was there when the plan was made.
    pub fn existing(&self) -> Option<&str> {
        match self {
            Target::Existing { id, .. } => Some(id),
            Target::Created { .. } => None,
        }
    }

    /// The step of the plan that creates it.
    pub fn created(&self) -> Option<u32> {
        match self {
            Target::Existing { .. } => None,
            Target::Created { step } => Some(*step),
        }
    }
}

impl Action {
    /// The verb in a plan's text.
    pub fn verb(&self) -> String {
        match self {
            Action::CreateNetwork(_) => "create network".into(),
            Action::CreateVolume(_) => "create volume".into(),
            Action::FillVolume(_) => "fill volume with files of the commit".into(),
            Action::CreateContainer(_) => "create container".into(),
            Action::CreateFront(_) => "create front".into(),
            Action::StartFront { .. } => "start front".into(),
            Action::RenewFront(_) => "renew the front's program".into(),
            Action::StartContainer(_) => "start container".into(),
            Action::StopContainer { .. } => "stop container".into(),
            Action::RenameContainer { name, .. } => format!("rename container to {name}"),
            Action::RemoveContainer(_) => "remove container".into(),
            Action::WaitReady { readiness, .. } => match readiness.goal {
                ReadyGoal::Ready => "wait until ready".into(),
                ReadyGoal::Completed => "wait until it has ended well".into(),
            },
            Action::Route(change) => change.words(),
            Action::Unroute(_) => "lead nothing to it any more".into(),
            Action::Drain { limit, .. } => format!("wait until it has finished, at most {} s", limit.as_secs()),
            Action::Pause(time) => format!("let {} s pass", time.as_secs_f64()),
            Action::Hold(hold) => {
                format!("watch at {} % for {} s ({} of {})", hold.weight, hold.time.as_secs_f64(), hold.number, hold.of)
            }
        }
    }
}

impl RouteChange {
    /// All containers that it names.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let others = self.others.iter_mut().flat_map(|other| &mut other.shares);
        let replicas = self.shares.iter_mut().chain(others).flat_map(|share| &mut share.replicas);
        replicas.map(|(target, _)| target)
    }

    /// `lead 75 % to release 41 (3 replicas), 25 % to release 42 (1 replica)`
    fn words(&self) -> String {
        let others: Vec<&str> = self.others.iter().map(|other| other.component.as_str()).collect();
        let taken = match others.is_empty() {
            true => String::new(),
            false => format!(", taking ways in over from {}", others.join(", ")),
        };
        if self.held {
            return format!("let requests wait{taken}");
        }
        let shares = self.shares.iter().map(|share| {
            let count = share.replicas.len();
            let replicas = if count == 1 { "1 replica".to_string() } else { format!("{count} replicas") };
            match self.shares.len() {
                1 => format!("all to release {} ({replicas})", share.release),
                _ => format!("{} % to release {} ({replicas})", share.weight, share.release),
            }
        });
        format!("lead {}{taken}", shares.collect::<Vec<_>>().join(", "))
    }
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
    /// The step with this number.
    pub fn step(&self, id: u32) -> Option<&Step> {
        self.steps.get(id.checked_sub(1)? as usize)
    }
}

/// `[1,2] -> #3 api-2, start container, replaces api-1 of release 41`
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.waits_for.is_empty() {
            let ids: Vec<String> = self.waits_for.iter().map(u32::to_string).collect();
            write!(f, "[{}] -> ", ids.join(","))?;
        }
        write!(f, "#{} {}, {}", self.id, self.subject, self.action.verb())?;
        if !self.cause.is_empty() {
            write!(f, ", {}", self.cause)?;
        }
        Ok(())
    }
}

/// One line a step.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        Ok(())
    }
}
