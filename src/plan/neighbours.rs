//! What two environments would both take of one engine: they must not meet.

use super::clash::{published_at, share_an_address};
use super::container::container_name;
use super::routing::named;
use crate::model::{Component, Listen, Network, Place, Port, Problem, Release};
use ipnet::IpNet;
use std::collections::BTreeSet;

/// Container names, ports, networks, their addresses, and volumes that a release wants and that another environment's release already
/// has. Each message names both. A network or volume that one of them declares `external` is shared on purpose.
pub fn clashes(release: &Release, other: &Release) -> Vec<Problem> {
    if (&release.project, &release.environment) == (&other.project, &other.environment) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut say = |place: Option<Place>, key: String, what: String, way_out: &str| {
        let message = format!(
            "{}/{} and {}/{} both want {what}: two environments must not meet. {way_out}",
            release.project, release.environment, other.project, other.environment
        );
        problems.push(Problem::error(place, key, message));
    };
    let taken: BTreeSet<String> = other.stack.components.values().flat_map(|c| names(other, c)).collect();
    for component in release.stack.components.values() {
        let place = Some(component.place.clone());
        if let Some(name) = names(release, component).find(|name| taken.contains(name)) {
            let way_out = match component.container.container_name {
                Some(_) => "Drop `container_name`, or let it differ by a variable of the environment.",
                None => "Give one of them another `compose-project` in launchway.toml.",
            };
            let key = format!("services.{}.container_name", component.name);
            say(place.clone(), key, format!("the container name {name}"), way_out);
        }
        let entries = || other.stack.components.values().flat_map(|c| &c.entries);
        let routes = component.entries.iter().filter(|entry| matches!(entry.listen, Listen::Shared { .. }));
        for entry in routes.filter(|entry| entries().any(|held| held.listen.collides(&entry.listen))) {
            let way_out = "Let the host differ by a variable of the environment.";
            let key = format!("services.{}.x-launchway.route", component.name);
            say(place.clone(), key, format!("the route {}", named(&entry.listen)), way_out);
        }
        let ports: Vec<Port> = other.stack.components.values().flat_map(ports_of_the_host).collect();
        for port in &ports_of_the_host(component) {
            if ports.iter().any(|held| is_same(port, held)) {
                let published = port.published.unwrap_or_default();
                let way_out = "Let it differ by a variable of the environment, such as \"${PORT}:8080\".";
                let key = format!("services.{}.ports", component.name);
                say(place.clone(), key, format!("port {published} of the host"), way_out);
            }
        }
    }
    let way_out = "Drop its `name:`, or declare it `external: true` if it is meant to be shared.";
    for (key, volume) in release.stack.volumes.iter().filter(|(_, volume)| !volume.external) {
        if other.stack.volumes.values().any(|held| held.name == volume.name && !held.external) {
            say(volume.place.clone(), format!("volumes.{key}"), format!("the volume {}", volume.name), way_out);
        }
    }
    for (key, network) in release.stack.networks.iter().filter(|(_, network)| !network.external) {
        if other.stack.networks.values().any(|held| held.name == network.name && !held.external) {
            say(network.place.clone(), format!("networks.{key}"), format!("the network {}", network.name), way_out);
        }
    }
    let held: Vec<IpNet> = other.stack.networks.values().flat_map(ranges).collect();
    let way_out = "Drop `ipam`, or let its `subnet` differ by a variable of the environment.";
    for (key, network) in &release.stack.networks {
        if let Some(range) = ranges(network).find(|range| held.iter().any(|held| overlap(held, range))) {
            let what = format!("addresses of {range}");
            say(network.place.clone(), format!("networks.{key}.ipam"), what, way_out);
        }
    }
    problems
}

/// The addresses that a network takes for itself: an engine gives no two networks the same.
fn ranges(network: &Network) -> impl Iterator<Item = IpNet> + '_ {
    // Another driver may know better.
    let is_usual = !network.external && network.ipam_driver.as_deref().is_none_or(|driver| driver == "default");
    let own = network.ipam.iter().filter(move |_| is_usual);
    own.filter_map(|pool| pool.subnet.as_deref()?.parse::<IpNet>().ok())
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn names<'a>(release: &'a Release, component: &'a Component) -> impl Iterator<Item = String> + 'a {
    (1..=component.replicas).map(move |replica| container_name(release, component, replica))
}

/// Those that its containers publish, and those that the edge opens for it.
fn ports_of_the_host(component: &Component) -> Vec<Port> {
    let opened = component.entries.iter().filter_map(|entry| entry.listen.address()).map(published_at);
    component.container.ports.iter().cloned().chain(opened).collect()
}

fn is_same(port: &Port, held: &Port) -> bool {
    let address = |port: &Port| port.host_ip.clone().unwrap_or_default();
    port.published.is_some()
        && port.published == held.published
        && port.protocol == held.protocol
        && share_an_address(&address(port), &address(held))
}

#[cfg(test)]
mod tests;
