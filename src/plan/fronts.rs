//! Which components get a front: a container of Launchway's own that owns the component's name on its networks, never moves,
//! and leads whoever calls it there to the replicas that are ready.

use super::further_calls::by_images;
use super::readiness::tcp_ports;
use super::relations::{Ports, Relations};
use super::routing::{EDGE_NETWORK, is_checked_by_http, speaks_http};
use super::side_by_side::two_are_impossible;
use crate::model::{
    Component, ComponentName, EntryProtocol, Listen, Method, NetworkAttachment, NetworkMode, Problem, Protocol,
    RouteEntry, Stack,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an image says of itself, as far as it is known before it is built or pulled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Images that the stage which is built begins from, and only an engine knows.
    pub bases: Vec<String>,
    /// TCP ports of `EXPOSE`.
    pub ports: BTreeSet<u16>,
    /// Paths of `VOLUME`.
    pub volumes: Vec<String>,
    /// Values of its variables (`ENV`), in which it may name others.
    pub environment: Vec<String>,
    /// What stands in files of the repository that it mounts, as far as it is text: names of others, with their ports.
    pub mounted: Vec<String>,
}

/// Ports of servers that do not speak HTTP, and that complain of a question in it: what is asked elsewhere is not asked
/// there (IANA's registry of service names, and the servers' own documentation).
const NOT_HTTP: [u16; 20] =
    [22, 25, 53, 110, 143, 389, 465, 587, 636, 1433, 1521, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11211, 27017];

/// Notes what the images say, and gives each component that needs one its front. Returns what cannot be.
pub fn give_fronts(stack: &mut Stack, facts: &BTreeMap<ComponentName, ImageFacts>) -> Vec<Problem> {
    for (name, facts) in facts {
        if let Some(component) = stack.components.get_mut(name) {
            component.image_volumes = facts.volumes.clone();
        }
    }
    note_further_calls(stack, facts);
    // What was answered at a port that nobody names any more says nothing.
    let (relations, said) = (Relations::of(stack), said_in_files(facts));
    let answered = stack.components.values().filter(|component| !component.answers_http.is_empty());
    let still = answered.map(|component| {
        let named = all_ports(&relations, component, facts, &said);
        (component.name.clone(), component.answers_http.intersection(&named).copied().collect::<BTreeSet<u16>>())
    });
    for (name, ports) in still.collect::<Vec<_>>() {
        if let Some(component) = stack.components.get_mut(&name) {
            component.answers_http = ports;
        }
    }
    let mut problems = Vec::new();
    let mut given: BTreeMap<ComponentName, BTreeSet<u16>> = BTreeMap::new();
    let relations = Relations::of(stack);
    for component in stack.components.values() {
        let asked = component.settings.front;
        if asked != Some(true) && !is_worth_it(&relations, component) {
            continue;
        }
        let ports = all_ports(&relations, component, facts, &said);
        match obstacle_with(&relations, component, &ports) {
            None => drop(given.insert(component.name.clone(), ports)),
            Some(obstacle) if asked == Some(true) => {
                let key = format!("services.{}.x-launchway.front", component.name);
                let message = format!("no front can own the name of {}: {obstacle}", component.name);
                problems.push(Problem::error(Some(component.place.clone()), key, message));
            }
            Some(_) => {}
        }
    }
    for (name, ports) in given {
        let Some(component) = stack.components.get_mut(&name) else { continue };
        let entries: Vec<RouteEntry> = ports.into_iter().map(|port| entry(component, port)).collect();
        component.entries.extend(entries);
    }
    problems.extend(stack.components.values().filter_map(canary_without_traffic));
    problems
}

/// Notes who calls whom by what only images say, and by the names of containers.
fn note_further_calls(stack: &mut Stack, facts: &BTreeMap<ComponentName, ImageFacts>) {
    let relations = Relations::of(stack);
    let all = || stack.components.values();
    let names = all().map(|component| (&component.name, relations.names_of(component))).collect();
    let said = facts.iter().map(|(name, facts)| (name, facts.environment.as_slice()));
    let mut by_image = by_images(&names, said);
    let called = all().map(|component| (component.name.clone(), relations.called_containers(component)));
    let mut called: BTreeMap<_, _> = called.collect();
    for (name, component) in &mut stack.components {
        component.image_calls = by_image.remove(name).unwrap_or_default();
        component.called_containers = called.remove(name).unwrap_or_default();
    }
}

fn entry(component: &Component, port: u16) -> RouteEntry {
    let protocol = match is_http(component, port) {
        true => EntryProtocol::Http,
        false if NOT_HTTP.contains(&port) => EntryProtocol::Tcp,
        false => EntryProtocol::Probe,
    };
    RouteEntry { listen: Listen::Inside { port, protocol }, target: port }
}

/// What a front of the component would serve, as far as the Compose file tells.
pub(super) fn named_entries(relations: &Relations<'_>, component: &Component) -> Vec<RouteEntry> {
    named_ports(relations, component).into_iter().map(|port| entry(component, port)).collect()
}

/// Ports of which no file says whether they speak HTTP, where that decides whether requests can wait while the component is
/// recreated: those at which others call it, and, where there is an edge (`has_edge`), those that the engine is to publish.
/// What was answered before is asked again. The stack has its fronts already.
pub fn undecided(
    stack: &Stack,
    facts: &BTreeMap<ComponentName, ImageFacts>,
    has_edge: bool,
) -> BTreeMap<ComponentName, BTreeSet<u16>> {
    let (relations, said) = (&Relations::of(stack), said_in_files(facts));
    let ports = |component: &Component| {
        let is_one = !relations.is_job(&component.name) && !component.settings.job && component.replicas > 0;
        if !is_one || two_are_impossible(relations, component).is_none() {
            return BTreeSet::new();
        }
        let mut ports = match has_edge {
            true => published_unsaid(component),
            false => BTreeSet::new(),
        };
        let is_called = relations.caller(component).is_some() && !is_worth_it(relations, component);
        if is_called && component.settings.front.is_none() {
            let named = all_ports(relations, component, facts, &said);
            if obstacle_with(relations, component, &named).is_none() {
                ports.extend(named);
            }
        }
        ports.extend(&component.answers_http);
        ports.retain(|port| !NOT_HTTP.contains(port) && !is_checked_by_http(component, *port));
        ports
    };
    let all = stack.components.values().map(|component| (component.name.clone(), ports(component)));
    all.filter(|(_, ports)| !ports.is_empty()).collect()
}

/// Ports of the container that the engine publishes, and the edge could, were they known to speak HTTP.
fn published_unsaid(component: &Component) -> BTreeSet<u16> {
    if component.settings.edge == Some(false) || component.container.network_mode != NetworkMode::Networks {
        return BTreeSet::new();
    }
    let ports = component.container.ports.iter();
    let unsaid = ports.filter(|port| port.protocol == Protocol::Tcp && port.app_protocol.is_none());
    unsaid.filter(|port| port.published.is_some()).map(|port| port.target).collect()
}

/// Shares of traffic are shares of what the edge or a front leads to it.
fn canary_without_traffic(component: &Component) -> Option<Problem> {
    let settings = &component.settings;
    let key = match (&settings.canary, settings.method) {
        (Some(_), _) => "canary",
        (None, Method::Canary) => "method",
        _ => return None,
    };
    component.entries.is_empty().then(|| {
        let key = format!("services.{}.x-launchway.{key}", component.name);
        let message = "a canary needs traffic that can be shared: a `route:`, a published port, or callers that reach it by its name at a port that the file or the image names";
        Problem::error(Some(component.place.clone()), key, message.to_string())
    })
}

/// Others reach it by its name, and there can be two of it, or they can wait while it is recreated.
fn is_worth_it(relations: &Relations<'_>, component: &Component) -> bool {
    let is_job = relations.is_job(&component.name) || component.settings.job;
    if is_job || component.replicas == 0 || relations.caller(component).is_none() {
        return false;
    }
    let is_led_to = component.settings.route.is_some() || !component.answers_http.is_empty();
    two_are_impossible(relations, component).is_none() || is_led_to || {
        let ports = component.container.ports.iter();
        let is_said = ports.filter_map(|port| port.app_protocol.as_deref()).any(|word| word.starts_with("http"));
        is_said || named_ports(relations, component).iter().any(|port| speaks_http(component, *port))
    }
}

/// Why no front can own the component's name, as far as the Compose file tells.
pub(super) fn obstacle(relations: &Relations<'_>, component: &Component) -> Option<String> {
    obstacle_with(relations, component, &named_ports(relations, component))
}

fn obstacle_with(relations: &Relations<'_>, component: &Component, ports: &BTreeSet<u16>) -> Option<String> {
    let container = &component.container;
    if component.settings.front == Some(false) {
        return Some("its x-launchway says `front: false`".into());
    }
    if container.network_mode != NetworkMode::Networks {
        return Some("with its `network_mode` it has no name of its own on any network".into());
    }
    let fixed = |network: &NetworkAttachment| network.ipv4_address.clone().or(network.ipv6_address.clone());
    if let Some(address) = container.networks.values().find_map(fixed) {
        return Some(format!("its address {address} is the container's own"));
    }
    let names = relations.names_of(component);
    if let Some(name) = container.container_name.as_ref().filter(|name| names.contains(*name)) {
        return Some(format!("its container_name {name} leads to the container itself"));
    }
    let with_protocol = container.expose.iter().filter_map(|text| text.split_once('/'));
    let exposed =
        with_protocol.filter(|(_, protocol)| *protocol != "tcp").map(|(port, protocol)| (port.into(), protocol));
    let published = container.ports.iter().filter(|port| port.protocol != Protocol::Tcp);
    let mut others = exposed.chain(published.map(|port| (port.target.to_string(), port.protocol.word())));
    if let Some((port, protocol)) = others.next() {
        return Some(format!("a front passes on TCP, and its port {port} is {protocol}"));
    }
    for other in relations.in_the_way(component, &names) {
        let mut keys = other.container.networks.keys().filter(|key| *key != EDGE_NETWORK);
        let theirs = relations.names_of(other);
        if let Some(key) = keys.find(|key| container.networks.contains_key(*key))
            && let Some(name) = theirs.iter().find(|name| names.contains(*name))
        {
            return Some(format!("{} has the name {name} on network {key} too", other.name));
        }
        if other.container.network_mode == NetworkMode::Component(component.name.clone()) {
            return Some(format!("{} shares its network, and its name with it", other.name));
        }
    }
    ports.is_empty().then(|| {
        "nothing says at which port it is called; `expose: [\"8080\"]` in its service does, where that is the port"
            .into()
    })
}

/// Ports at which it is called, as far as the file names them: its own keys, and `name:8080` in values and commands of
/// others.
pub(super) fn named_ports(relations: &Relations<'_>, component: &Component) -> BTreeSet<u16> {
    let route = component.settings.route.as_ref().and_then(|route| route.port);
    let mut ports: BTreeSet<u16> = tcp_ports(component).into_iter().chain(route).collect();
    ports.extend(component.edge_entries().map(|entry| entry.target));
    // `PORT: "3000"` is how most apps are told theirs.
    let is_port = |key: &str| key.to_ascii_uppercase().ends_with("PORT");
    let own = component.container.environment.iter().filter(|(key, _)| is_port(key));
    ports.extend(own.filter_map(|(_, value)| value.parse::<u16>().ok()).filter(|port| *port != 0));
    ports.extend(relations.ports_named_by_others(component, &relations.names_of(component)));
    ports
}

/// Ports that files say of anybody which components mount.
fn said_in_files(facts: &BTreeMap<ComponentName, ImageFacts>) -> Ports<'_> {
    let mut said = Ports::default();
    for (name, facts) in facts {
        facts.mounted.iter().chain(&facts.environment).for_each(|text| said.add(name, text));
    }
    said
}

/// The same with what the images and mounted files say.
fn all_ports(
    relations: &Relations<'_>,
    component: &Component,
    facts: &BTreeMap<ComponentName, ImageFacts>,
    said: &Ports<'_>,
) -> BTreeSet<u16> {
    let mut ports = named_ports(relations, component);
    ports.extend(facts.get(&component.name).iter().flat_map(|facts| &facts.ports));
    ports.extend(said.of(&component.name, &relations.names_of(component)));
    ports
}

fn is_http(component: &Component, port: u16) -> bool {
    let routed = component.settings.route.as_ref().is_some_and(|route| route.port == Some(port));
    let ports = component.container.ports.iter().filter(|one| one.target == port);
    routed || ports.filter_map(|one| one.app_protocol.as_deref()).any(|word| word == "http")
}

#[cfg(test)]
mod tests;
