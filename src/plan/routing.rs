//! What the edge opens for a component: the hosts and paths of its route, and the ports of the Compose file that are
//! better held by something that outlives a container.

pub use super::edge_network::EDGE_NETWORK;
use super::readiness::tcp_ports;
use super::relations::Relations;
use super::side_by_side::two_are_impossible;
use crate::model::{
    Component, ComponentName, EdgeAddress, EdgeSettings, EntryProtocol, HealthTest, Listen, Network, NetworkAttachment,
    NetworkMode, Port, Problem, Protocol, RouteEntry, Stack, own_names, route_host,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use url::Url;

/// What the edge's network is called on the engine.
pub fn edge_network(compose_project: &str) -> String {
    format!("{compose_project}{}", own_names::EDGE_NETWORK)
}

/// Gives the edge what it opens for each component, and hangs the component on the edge's network. Returns what cannot
/// be served.
pub fn give_to_edge(stack: &mut Stack, edge: &EdgeSettings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut given: BTreeMap<ComponentName, Vec<RouteEntry>> = BTreeMap::new();
    let relations = Relations::of(stack);
    for component in stack.components.values() {
        match entries(&relations, component) {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => drop(given.insert(component.name.clone(), entries)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(claimed_twice(stack, &given));
    problems.extend(held_by_the_edge_itself(stack, &given, edge));
    if given.is_empty() {
        return problems;
    }
    let name = edge_network(&stack.compose_project);
    stack.networks.insert(EDGE_NETWORK.to_string(), network(name));
    for (name, entries) in given {
        let Some(component) = stack.components.get_mut(&name) else { continue };
        let taken: BTreeSet<u16> = entries.iter().filter_map(|entry| port_of(&entry.listen)).collect();
        let container = &mut component.container;
        container.ports.retain(|port| !(is_tcp(port) && port.published.is_some_and(|port| taken.contains(&port))));
        // Where there is no health check, one of them has to answer before it counts as ready.
        let mut known: BTreeSet<String> = container.expose.iter().cloned().collect();
        for entry in &entries {
            let exposed = format!("{}/tcp", entry.target);
            if known.insert(exposed.clone()) {
                container.expose.push(exposed);
            }
        }
        // The app's own networks come first, and give it its way out.
        let attachment = NetworkAttachment { priority: Some(i64::MIN), ..NetworkAttachment::default() };
        container.networks.insert(EDGE_NETWORK.to_string(), attachment);
        component.entries = entries;
    }
    problems
}

/// The same stack as Compose alone has it: ports are published by the engine, names are the components' own, and what the
/// edge's own addresses led to is led to no more.
pub fn without_edge(stack: &mut Stack) {
    stack.networks.remove(EDGE_NETWORK);
    for component in stack.components.values_mut() {
        component.container.networks.remove(EDGE_NETWORK);
        component.settings.front = Some(false);
        for entry in std::mem::take(&mut component.entries) {
            if let Listen::Port { host_ip, port, .. } = entry.listen {
                component.container.ports.push(Port {
                    target: entry.target,
                    published: Some(port),
                    host_ip: host_ip.map(|ip| ip.to_string()),
                    protocol: Protocol::Tcp,
                    app_protocol: None,
                });
            }
        }
    }
}

/// Nobody but the edge is on it: no way out, and the replicas do not see each other there.
fn network(name: String) -> Network {
    Network {
        name,
        driver: Some("bridge".into()),
        driver_opts: BTreeMap::from([("com.docker.network.bridge.enable_icc".into(), "false".into())]),
        internal: true,
        ..Network::default()
    }
}

fn entries(relations: &Relations<'_>, component: &Component) -> Result<Vec<RouteEntry>, Problem> {
    let on_networks = component.container.network_mode == NetworkMode::Networks;
    if relations.is_job(&component.name) || component.settings.job {
        return Ok(Vec::new());
    }
    let wrong = |key: &str, message: String| {
        let key = format!("services.{}.{key}", component.name);
        Problem::error(Some(component.place.clone()), key, message)
    };
    let mut entries = Vec::new();
    if let Some(route) = &component.settings.route {
        if !on_networks {
            let message = "a route needs `networks`: with this `network_mode` the edge cannot reach it".to_string();
            return Err(wrong("x-launchway.route", message));
        }
        let target = match (route.port, tcp_ports(component).as_slice()) {
            (Some(port), _) => port,
            (None, [only]) => *only,
            (None, []) => {
                let message =
                    "which port of the container? The service names none: add `port:` to the route".to_string();
                return Err(wrong("x-launchway.route", message));
            }
            (None, several) => {
                let list: Vec<String> = several.iter().map(u16::to_string).collect();
                let message = format!("which port of the container? Add `port:`, one of {}", list.join(", "));
                return Err(wrong("x-launchway.route", message));
            }
        };
        let host =
            route.host.as_deref().map(|host| route_host(host).map_err(|why| wrong("x-launchway.route.host", why)));
        let host = host.transpose()?;
        entries.push(RouteEntry { listen: Listen::Shared { host, path: route.path.clone() }, target });
    }
    if component.settings.edge == Some(false) || !on_networks {
        return Ok(entries);
    }
    let mut seen = BTreeSet::new();
    let twice = two_are_impossible(relations, component).is_none();
    for port in &component.container.ports {
        let Some(published) = port.published.filter(|_| is_tcp(port)) else { continue };
        let Ok(host_ip) = port.host_ip.as_deref().map(str::parse::<IpAddr>).transpose() else { continue };
        let routed_there = component.settings.route.as_ref().is_some_and(|route| route.port == Some(port.target));
        let protocol = match port.app_protocol.as_deref() {
            Some(word) if ["http", "http2", "https", "grpc", "h2c", "ws"].iter().any(|one| word.starts_with(one)) => {
                EntryProtocol::Http
            }
            _ if routed_there => EntryProtocol::Http,
            // What can run twice is asked itself; for what cannot, that would come too late.
            None if !twice && speaks_http(component, port.target) => EntryProtocol::Http,
            Some(_) => EntryProtocol::Tcp,
            None => EntryProtocol::Probe,
        };
        // What only one container can serve gains nothing but that requests wait, which needs HTTP.
        if protocol != EntryProtocol::Http && !twice {
            continue;
        }
        let protocol = if port.app_protocol.as_deref() == Some("https") { EntryProtocol::Tcp } else { protocol };
        let host_ip = host_ip.filter(|ip| !ip.is_unspecified());
        let entry = RouteEntry { listen: Listen::Port { host_ip, port: published, protocol }, target: port.target };
        // `0.0.0.0:80:80` and `[::]:80:80` are every address, twice.
        if seen.insert((published, host_ip, port.target, protocol == EntryProtocol::Http)) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Whether a port of the container speaks HTTP, by its health check or by what a replica answered.
pub fn speaks_http(component: &Component, port: u16) -> bool {
    component.answers_http.contains(&port) || is_checked_by_http(component, port)
}

/// Whether the Compose file's health check asks this port of the container by HTTP: `curl -f http://localhost:8080/health`.
pub fn is_checked_by_http(component: &Component, port: u16) -> bool {
    let text = match component.container.healthcheck.as_ref().map(|check| &check.test) {
        Some(HealthTest::Exec(words)) => words.join(" "),
        Some(HealthTest::Shell(line)) => line.clone(),
        _ => return false,
    };
    let is_asked = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let end = rest.find([' ', '"', '\'']).unwrap_or(rest.len());
        Url::parse(&rest[..end]).is_ok_and(|url| {
            let is_own =
                url.host_str().is_some_and(|host| ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains(&host));
            is_own && url.port_or_known_default() == Some(port)
        })
    };
    text.match_indices("http://").any(is_asked)
}

fn is_tcp(port: &Port) -> bool {
    port.protocol == Protocol::Tcp
}

fn port_of(listen: &Listen) -> Option<u16> {
    listen.address().map(|address| address.port)
}

/// `shop.example.com/api`, `port 8080`.
pub fn named(listen: &Listen) -> String {
    match listen {
        Listen::Shared { host, path } => {
            format!("{}{}", host.as_deref().unwrap_or("every host, "), path.as_deref().unwrap_or("/"))
        }
        Listen::Port { host_ip: Some(ip), port, .. } => format!("port {port} of {ip}"),
        Listen::Port { host_ip: None, port, .. } => format!("port {port}"),
        Listen::Inside { port, .. } => format!("port {port} of its name"),
    }
}

fn claimed_twice(stack: &Stack, given: &BTreeMap<ComponentName, Vec<RouteEntry>>) -> Vec<Problem> {
    let all: Vec<(&ComponentName, &RouteEntry)> =
        given.iter().flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry))).collect();
    let mut problems = Vec::new();
    // Only ways in at the same port can be the same: there may be thousands.
    let mut before: BTreeMap<Option<u16>, Vec<usize>> = BTreeMap::new();
    for (index, (name, entry)) in all.iter().enumerate() {
        let before = before.entry(port_of(&entry.listen)).or_default();
        let same = before.iter().map(|index| &all[*index]).find(|(_, other)| entry.listen.collides(&other.listen));
        before.push(index);
        let Some((other, _)) = same else { continue };
        let place = stack.components.get(*name).map(|component| component.place.clone());
        let what = named(&entry.listen);
        let message = match name == other {
            true => format!("{what} is there twice"),
            false => format!("{what} leads to {other} already: a request can go to one component only"),
        };
        problems.push(Problem::error(place, format!("services.{name}.{}", key_of(&entry.listen)), message));
    }
    problems
}

fn held_by_the_edge_itself(
    stack: &Stack,
    given: &BTreeMap<ComponentName, Vec<RouteEntry>>,
    edge: &EdgeSettings,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, entry) in given.iter().flat_map(|(name, all)| all.iter().map(move |entry| (name, entry))) {
        let place = stack.components.get(name).map(|component| component.place.clone());
        let own = |address: EdgeAddress| edge.listen.iter().find(|own| own.overlaps(&address));
        let message = match entry.listen.address() {
            Some(address) => own(address).map(|own| {
                format!(
                    "{} is the edge's own: it listens on {own} (`edge.listen` in launchway.toml). Give the service a `route:` instead of the port, or publish another one.",
                    named(&entry.listen)
                )
            }),
            None if edge.listen.is_empty() => Some(
                "the edge does not listen for hosts and paths: set `edge.listen` in launchway.toml, such as [\":80\"]"
                    .to_string(),
            ),
            None => None,
        };
        if let Some(message) = message {
            problems.push(Problem::error(place, format!("services.{name}.{}", key_of(&entry.listen)), message));
        }
    }
    problems
}

fn key_of(listen: &Listen) -> &'static str {
    match listen {
        Listen::Shared { .. } => "x-launchway.route",
        Listen::Port { .. } => "ports",
        Listen::Inside { .. } => "x-launchway.front",
    }
}

/// What the container of a replica is created with on the edge's network: the lowest address of `subnet` that nobody
/// has. The first ones are the network's own.
pub fn free_address(subnet: ipnet::Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    subnet.hosts().skip(1).find(|address| !taken.contains(address))
}

#[cfg(test)]
mod tests;
