//! Which ports of a replica have to take connections from whoever leads there before it counts as ready: a health check may
//! pass while nobody listens where callers are led to. And what is said where none does.

use super::fronts::named_ports;
use super::goal::Goal;
use super::readiness::tcp_ports;
use super::relations::Relations;
use crate::model::{Component, ComponentName, Place, ReplicaAddress};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Going back, a port at which nobody listens holds nothing up for longer: requests wait for it anyway.
const GOING_BACK: Duration = Duration::from_secs(5);
/// Nor does one at which nobody ever listened.
const NEVER_SEEN: Duration = Duration::from_secs(1);

/// The ports of a replica that are asked for connections, once the engine calls it ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    pub component: ComponentName,
    /// Where the service begins in the Compose file.
    pub place: Place,
    /// Where the edge reaches the replica; a front finds it by its id.
    pub address: Option<ReplicaAddress>,
    /// Never empty.
    pub ports: Vec<ReachedPort>,
}

/// A TCP port in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedPort {
    pub port: u16,
    pub leader: Leader,
    pub miss: Miss,
}

/// Who leads to a port, and has to reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leader {
    Edge,
    Front,
}

/// What it means that nobody listens at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// The replica is not ready.
    Fails,
    /// It is told: what was live before is put back whatever it does.
    Tolerated,
    /// It is told: nobody is known to have ever been answered there.
    NeverSeen,
}

impl Reach {
    /// `address`: where the edge will reach the replica. `None`: there is nothing to ask.
    pub(super) fn of(
        relations: &Relations<'_>,
        component: &Component,
        address: Option<ReplicaAddress>,
        goal: Goal,
    ) -> Option<Self> {
        let is_job = relations.is_job(&component.name) || component.settings.job;
        // Who shares its network may be who listens there, and is started after it.
        if is_job || component.entries.is_empty() || relations.is_shared(&component.name) {
            return None;
        }
        let fails = match goal {
            Goal::Deploy => Miss::Fails,
            Goal::PutBack => Miss::Tolerated,
        };
        let outside: BTreeSet<u16> = component.edge_entries().map(|entry| entry.target).collect();
        let by_edge = outside.iter().filter(|_| address.is_some());
        let by_edge = by_edge.map(|port| ReachedPort { port: *port, leader: Leader::Edge, miss: fails });
        let inside = component.entries.iter().filter(|entry| entry.listen.is_inside()).map(|entry| entry.target);
        let inside: BTreeSet<u16> = inside.collect();
        // What only an image exposes is no promise.
        let named = named_ports(relations, component);
        let said = said_ports(relations, component);
        let by_front = inside.iter().filter(|port| named.contains(port)).filter_map(|port| {
            let miss = match component.answered.contains(port) {
                true => fails,
                false if said.contains(port) && goal == Goal::Deploy && !outside.contains(port) => Miss::NeverSeen,
                false => return None,
            };
            Some(ReachedPort { port: *port, leader: Leader::Front, miss })
        });
        let mut ports: Vec<ReachedPort> = by_edge.chain(by_front).collect();
        ports.retain(|reached| !component.settings.not_listening.contains(&reached.port));
        let (component, place) = (component.name.clone(), component.place.clone());
        (!ports.is_empty()).then_some(Self { component, place, address, ports })
    }
}

/// Ports that somebody says of the component; that a variable of its own is called `DB_PORT` does not say so.
fn said_ports(relations: &Relations<'_>, component: &Component) -> BTreeSet<u16> {
    let mut ports = relations.ports_named_by_others(component, &relations.names_of(component));
    ports.extend(tcp_ports(component));
    ports
}

impl Reach {
    /// The edge has no IPv6 there, and the port is open by IPv6 alone: that is no fault of the release, and the plan says it.
    pub fn is_beyond_the_edge(&self, reached: &ReachedPort, listeners: &[SocketAddr]) -> bool {
        let is_open = |at: &SocketAddr| at.port() == reached.port && at.is_ipv6() && !at.ip().is_loopback();
        reached.leader == Leader::Edge
            && self.address.is_some_and(|address| address.v6.is_none())
            && listeners.iter().any(is_open)
            && !listeners.iter().any(|at| at.port() == reached.port && at.is_ipv4())
    }
}

impl Miss {
    /// How long a port is asked, counted from when the engine called the replica ready; `None`: as long as that may take.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Miss::Fails => None,
            Miss::Tolerated => Some(GOING_BACK),
            Miss::NeverSeen => Some(NEVER_SEEN),
        }
    }
}

impl ReachedPort {
    /// Who leads there, for people.
    fn leader_of(&self, component: &ComponentName) -> String {
        match self.leader {
            Leader::Edge => "the edge".into(),
            Leader::Front => format!("the front of {component}"),
        }
    }
}

impl Reach {
    /// Why the replica is not ready, or what is told of it: `missed` are ports that take no connection, `listeners` where it
    /// listens, as far as that is known. Follows the container's name.
    pub fn sentence(&self, missed: &[ReachedPort], listeners: Option<&[SocketAddr]>, within: Duration) -> String {
        let mut leaders: Vec<String> = missed.iter().map(|missed| missed.leader_of(&self.component)).collect();
        leaders.dedup();
        let ports: BTreeSet<u16> = missed.iter().map(|missed| missed.port).collect();
        let list: Vec<String> = ports.iter().map(u16::to_string).collect();
        let within = match missed.iter().any(|missed| missed.miss == Miss::Fails) {
            true => format!(" within {} s", within.as_secs_f64()),
            false => String::new(),
        };
        let port = if list.len() == 1 { "port" } else { "ports" };
        let mut text =
            format!("takes no connection from {} at {port} {}{within}", leaders.join(" and "), list.join(" and "));
        if let Some(instead) = listeners.map(|listeners| listens_instead(&ports, listeners)) {
            text.push_str(&format!(": {instead}"));
        }
        text.push_str(&format!(
            ". If nothing is to listen there, say so in the service at {}: `x-launchway: {{ not-listening: [{}] }}`",
            self.place,
            list.join(", ")
        ));
        text
    }
}

/// What listens in a container instead of what is called at `ports`, and what to do.
pub fn listens_instead(ports: &BTreeSet<u16>, listeners: &[SocketAddr]) -> String {
    // The engine's own name service.
    let is_own = |at: &&SocketAddr| at.ip() != std::net::IpAddr::from([127, 0, 0, 11]);
    let listeners: BTreeSet<SocketAddr> = listeners.iter().filter(is_own).copied().collect();
    let here: Vec<&SocketAddr> = listeners.iter().filter(|at| ports.contains(&at.port())).collect();
    if !here.is_empty() {
        let list: Vec<String> = here.iter().map(ToString::to_string).collect();
        return match here.iter().all(|at| at.ip().is_loopback()) {
            true => format!(
                "it listens on {} only, which nobody outside of its container reaches; have it listen on 0.0.0.0",
                list.join(" and ")
            ),
            false if here.iter().all(|at| at.is_ipv6()) => {
                format!("it listens on {} by IPv6 alone, and is not reached there", list.join(" and "))
            }
            false => format!("it listens on {}, and takes no connection there", list.join(" and ")),
        };
    }
    let (near, far): (Vec<&SocketAddr>, Vec<&SocketAddr>) = listeners.iter().partition(|at| at.ip().is_loopback());
    let open: BTreeSet<u16> = far.iter().map(|at| at.port()).collect();
    let near: Vec<String> = near
        .iter()
        .filter(|at| !open.contains(&at.port()))
        .map(|at| format!("{at} (inside its container only)"))
        .collect();
    let list: Vec<String> = open.iter().map(|port| format!("port {port}")).chain(near).collect();
    match list.is_empty() {
        true => "nothing in it listens on any TCP port".into(),
        false => {
            let it = if ports.len() == 1 { "this port" } else { "these ports" };
            format!(
                "it listens on {} instead; have it listen on {it}, or name the port that it has",
                list.join(" and ")
            )
        }
    }
}

#[cfg(test)]
mod tests;
