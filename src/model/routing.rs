//! What the edge serves: which requests reach which component, and how they are shared among its releases' replicas.
//!
//! All of it is data that `run` hands to the edge, the edge keeps on disk, and the planner compares with what is wanted.

use super::mount::is_false;
use super::{ComponentName, EdgeAddress, EnvironmentName, ProjectName, ReleaseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A component in an environment: what a route leads to. Swapped as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub component: ComponentName,
}

/// Everything that the edge serves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RouteTable {
    pub components: Vec<(RouteKey, ComponentRoutes)>,
}

/// All that leads to one component, and where it goes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ComponentRoutes {
    pub entries: Vec<RouteEntry>,
    /// Weights add up to 100. Empty, or without a replica: requests are held.
    pub releases: Vec<WeightedRelease>,
    /// Requests are held although there are replicas: the component is being recreated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
}

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    pub listen: Listen,
    /// Port in the container.
    pub target: u16,
}

/// Where requests come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Listen {
    /// The edge's own addresses (`edge.listen` in launchway.toml): by host and path.
    Shared {
        /// Without a port, lower case; `None` is any host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// Begins with a slash; `None` is every path. Whole segments are compared, and the path is passed on as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A port of the host that the component publishes.
    Port {
        /// `None`: every address, IPv4 and IPv6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_ip: Option<IpAddr>,
        port: u16,
        protocol: EntryProtocol,
    },
    /// A port of the component's name inside its environment, which its front owns.
    Inside { port: u16, protocol: EntryProtocol },
}

/// What is spoken at a way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryProtocol {
    Http,
    Tcp,
    /// HTTP when a replica answers an HTTP request on the port, else plain TCP.
    Probe,
}

/// A release, and how much of the traffic it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedRelease {
    pub release: ReleaseId,
    /// Share of new requests in whole percent.
    pub weight: u8,
    pub replicas: Vec<Replica>,
}

/// Where a replica is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Replica {
    /// The engine's id of the container.
    pub id: String,
    /// On the edge's network; `None`: a front asks the name service of its networks for the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Tried where nothing listens at `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Ipv6Addr>,
}

/// Where the edge reaches a replica, on the environment's edge network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaAddress {
    pub v4: Ipv4Addr,
    /// Where the network has IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Replica {
    /// `address`: `None` for a front, which asks for it.
    pub fn at(id: String, address: Option<ReplicaAddress>) -> Self {
        let (address, also) = (address.map(|at| IpAddr::V4(at.v4)), address.and_then(|at| at.v6));
        Self { id, address, also }
    }
}

/// The same visitor stays with the same release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sticky {
    /// A cookie of this name, which the edge sets.
    Cookie(String),
    /// The value of this request header decides; without it, chance.
    Header(String),
}

/// What the edge has counted, since its start unless said otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Traffic {
    pub components: Vec<(RouteKey, ComponentTraffic)>,
}

/// What the edge counted of a component since it began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ComponentTraffic {
    /// Those that wait now.
    pub held: u64,
    /// Those that waited before, however that ended.
    #[serde(default)]
    pub held_before: u64,
    /// What those waited all together, in milliseconds.
    #[serde(default)]
    pub held_before_ms: u64,
    pub releases: BTreeMap<ReleaseId, ReleaseTraffic>,
    /// By the engine's id of the container, also those that are no longer routed to and still have something.
    pub in_flight: BTreeMap<String, InFlight>,
}

/// What a replica still has to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InFlight {
    pub requests: u64,
    /// Upgraded or plain TCP connections.
    pub connections: u64,
}

/// Sums since the edge's start. Of releases that are routed no more, those of the last few are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReleaseTraffic {
    pub requests: u64,
    /// By class: answers 1xx to 5xx.
    pub status_classes: [u64; 5],
    /// No answer came, or a request had to wait because replicas took no connection, whatever became of it then; broken and
    /// timed-out answers.
    pub failed: u64,
    /// `(microseconds, count)`, ascending, exact to 1 %: time from sending the request to a replica until the answer's
    /// head; waiting for a replica is not the release's fault. For plain TCP: until the connection was made.
    pub latency_us: Vec<(u64, u64)>,
}

impl Listen {
    /// The socket that is opened for it alone.
    pub fn address(&self) -> Option<EdgeAddress> {
        match self {
            // A front's sockets are its own: no two meet.
            Listen::Shared { .. } | Listen::Inside { .. } => None,
            Listen::Port { host_ip, port, .. } => Some(EdgeAddress { host_ip: *host_ip, port: *port }),
        }
    }

    /// A path prefix as it is compared: `/api/` is `/api`, and `/` is every path.
    pub fn prefix(path: Option<&str>) -> &str {
        path.unwrap_or_default().trim_end_matches('/')
    }

    /// Callers inside the environment come in here.
    pub fn is_inside(&self) -> bool {
        matches!(self, Listen::Inside { .. })
    }

    /// Whether one request or connection could be meant for both.
    pub fn collides(&self, other: &Listen) -> bool {
        match (self, other) {
            (Listen::Shared { host, path }, Listen::Shared { host: its_host, path: its_path }) => {
                host == its_host && Self::prefix(path.as_deref()) == Self::prefix(its_path.as_deref())
            }
            _ => match (self.address(), other.address()) {
                (Some(one), Some(other)) => one.overlaps(&other),
                _ => false,
            },
        }
    }
}

impl ComponentTraffic {
    /// The same component, counted elsewhere too.
    pub fn add(&mut self, other: ComponentTraffic) {
        self.held += other.held;
        self.held_before += other.held_before;
        self.held_before_ms += other.held_before_ms;
        for (id, theirs) in other.in_flight {
            self.in_flight.entry(id).or_default().add(theirs);
        }
        for (release, theirs) in other.releases {
            self.releases.entry(release).or_default().add(theirs);
        }
    }
}

impl ReleaseTraffic {
    fn add(&mut self, other: ReleaseTraffic) {
        self.requests += other.requests;
        self.failed += other.failed;
        for (sum, count) in self.status_classes.iter_mut().zip(other.status_classes) {
            *sum += count;
        }
        let mut latencies: BTreeMap<u64, u64> = self.latency_us.drain(..).collect();
        for (value, count) in other.latency_us {
            *latencies.entry(value).or_default() += count;
        }
        self.latency_us = latencies.into_iter().collect();
    }
}

impl InFlight {
    /// The same replica's, counted elsewhere too.
    pub fn add(&mut self, other: InFlight) {
        self.requests += other.requests;
        self.connections += other.connections;
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.requests == 0 && self.connections == 0
    }
}

impl ComponentRoutes {
    /// The replicas that get new requests.
    pub fn serving(&self) -> impl Iterator<Item = &Replica> {
        self.releases.iter().filter(|release| release.weight > 0).flat_map(|release| &release.replicas)
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.project, self.environment, self.component)
    }
}
