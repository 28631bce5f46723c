//! What stands in the way of a release and can be known before anything starts.

use super::container::container_name;
use super::definition;
use super::externals::{described, owner};
use super::goal::{Goal, Wanted};
use crate::model::{
    AnotherStore, Component, ContainerState, EdgeAddress, ForeignContainer, Observed, ObservedContainer, Place, Port,
    Problem, Protocol, PublishedPort, Release, label,
};

/// Names, ports, networks and volumes that somebody else holds. Each message says who, and how to free it.
pub fn find(wanted: &Wanted, observed: &Observed) -> Vec<Problem> {
    let Some(release) = wanted.release else { return Vec::new() };
    let mut problems = Vec::new();
    for component in release.stack.components.values() {
        names(release, component, observed, &mut problems);
        ports(component, observed, &mut problems);
    }
    for (key, network) in &release.stack.networks {
        let is_there = observed.networks.contains_key(&network.name);
        if network.external && !is_there {
            problems.push(missing("network", key, &network.name, network.place.clone()));
        }
    }
    for (key, volume) in &release.stack.volumes {
        let is_there = observed.volumes.contains_key(&volume.name);
        if volume.external && !is_there {
            problems.push(missing("volume", key, &volume.name, volume.place.clone()));
        }
    }
    if wanted.goal == Goal::Deploy {
        problems.extend(of_another_store(release, observed));
    }
    // Backwards nothing is made anew, and what is there was made by the release that comes back, or will do.
    if problems.is_empty() && wanted.goal == Goal::Deploy {
        problems = definition::changed(release, &observed.networks, &observed.volumes);
    }
    problems
}

fn names(release: &Release, component: &Component, observed: &Observed, problems: &mut Vec<Problem>) {
    for replica in 1..=component.replicas {
        let name = container_name(release, component, replica);
        if let Some(holder) = observed.foreign.iter().find(|foreign| foreign.name == name) {
            let message = format!(
                "the container name {name} is held by a container that is not this environment's{}. Rename it (`docker rename {name} OTHER`) or remove it (`docker rm -f {name}`).",
                owner(&holder.labels, holder.another.as_ref())
            );
            problems.push(Problem::error(
                Some(component.place.clone()),
                format!("services.{}", component.name),
                message,
            ));
        }
    }
}

fn ports(component: &Component, observed: &Observed, problems: &mut Vec<Problem>) {
    let routes = observed.edge.iter().flat_map(|edge| edge.routes.values());
    let open: Vec<EdgeAddress> =
        routes.flat_map(|routes| &routes.entries).filter_map(|entry| entry.listen.address()).collect();
    // What the edge has opened for the environment already, it holds itself.
    let opened = component.entries.iter().filter_map(|entry| entry.listen.address());
    let opened = opened.filter(|address| !open.iter().any(|held| held.overlaps(address)));
    let lowest = observed.edge.as_ref().and_then(|edge| edge.lowest_port).unwrap_or_default();
    if let Some(address) = opened.clone().find(|address| address.port < lowest) {
        let port = address.port;
        let message = format!(
            "the edge may not open port {port} of the host, as it is not root and everybody may open ports from {lowest} on only. `sysctl -w net.ipv4.ip_unprivileged_port_start={port}` on the host lets it, and `x-launchway: {{ edge: false }}` leaves the port to the engine."
        );
        problems.push(Problem::error(
            Some(component.place.clone()),
            format!("services.{}.ports", component.name),
            message,
        ));
    }
    let opened = opened.map(published_at);
    for port in component.container.ports.iter().cloned().chain(opened) {
        let Some(published) = port.published.filter(|_| !is_let_go(&port, &open)) else { continue };
        let port = &port;
        let holder = observed
            .foreign
            .iter()
            .find(|foreign| foreign.running && foreign.published.iter().any(|held| overlaps(port, published, held)));
        if let Some(holder) = holder {
            let message = format!(
                "port {published} of the host is held by container {}{}. {}",
                holder.name,
                owner(&holder.labels, holder.another.as_ref()),
                way_out(holder)
            );
            let key = format!("services.{}.ports", component.name);
            problems.push(Problem::error(Some(component.place.clone()), key, message));
        } else if is_held_by_a_process(port, published, observed) {
            let message = format!(
                "port {published} of the host is held by a process. `sudo ss -lntp 'sport = :{published}'` shows which; stop it, or publish another port."
            );
            let key = format!("services.{}.ports", component.name);
            problems.push(Problem::error(Some(component.place.clone()), key, message));
        }
    }
}

/// How to free what a container holds. One of another environment of ours is not to be stopped by hand: it would be started
/// again.
fn way_out(holder: &ForeignContainer) -> String {
    let labels = (holder.labels.get(label::PROJECT), holder.labels.get(label::ENVIRONMENT));
    match (labels, &holder.another) {
        ((Some(project), Some(environment)), None) => format!(
            "It is deployed here, too: publish another port in one of the two. Where `launchway status` says that {project}/{environment} has left launchway.toml, `launchway remove {project}/{environment} --keep-volumes` frees it."
        ),
        _ => format!("Stop it (`docker stop {}`) or publish another port.", holder.name),
    }
}

/// A port of the edge, as if a container published it.
pub(super) fn published_at(address: EdgeAddress) -> Port {
    Port {
        target: 0,
        published: Some(address.port),
        host_ip: address.host_ip.map(|ip| ip.to_string()),
        protocol: Protocol::Tcp,
        app_protocol: None,
    }
}

/// The edge listens there for the environment, and lets it go before the container starts.
fn is_let_go(port: &Port, open: &[EdgeAddress]) -> bool {
    port.protocol == Protocol::Tcp && port.published.is_some_and(|port| open.iter().any(|held| held.port == port))
}

/// Somebody listens there, and it is none of the environment's own containers.
fn is_held_by_a_process(port: &Port, published: u16, observed: &Observed) -> bool {
    let is_own = |container: &ObservedContainer| {
        container.state != ContainerState::Created && container.published.iter().any(|held| held.port == published)
    };
    // A listener on all of IPv6 may have IPv4 or not: only who wants all addresses is sure to meet it.
    let is_sure =
        |held: &PublishedPort| held.host_ip != "::" || port.host_ip.as_deref().is_none_or(|ip| ip.contains(':'));
    !observed.containers.iter().any(is_own)
        && observed.listening.iter().any(|held| is_sure(held) && overlaps(port, published, held))
}

fn overlaps(port: &Port, published: u16, held: &PublishedPort) -> bool {
    held.port == published
        && held.protocol == port.protocol
        && share_an_address(port.host_ip.as_deref().unwrap_or(""), &held.host_ip)
}

/// Whether two addresses of the host, as ports are published on, have one in common.
pub(super) fn share_an_address(one: &str, other: &str) -> bool {
    let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0" || ip == "::";
    any(one) || any(other) || one == other
}

fn missing(kind: &str, key: &str, name: &str, place: Option<Place>) -> Problem {
    let message = format!(
        "the external {kind} {name} is not on the engine. Create it (`docker {kind} create {name}`) or drop `external: true`."
    );
    Problem::error(place, format!("{kind}s.{key}"), message)
}

/// What another Launchway made under the Compose project's name, such as before a new beginning with an empty store.
fn of_another_store(release: &Release, observed: &Observed) -> Option<Problem> {
    let project = &release.stack.compose_project;
    let is_here = |another: &&AnotherStore| another.compose_project == *project;
    let containers = observed.foreign.iter().map(|found| ("container", &found.name, &found.another));
    let networks = observed.networks.iter().map(|(name, found)| ("network", name, &found.another));
    let volumes = observed.volumes.iter().map(|(name, found)| ("volume", name, &found.another));
    let all = containers.chain(networks).chain(volumes);
    let theirs: Vec<_> =
        all.filter_map(|(kind, name, another)| Some((kind, name, another.as_ref().filter(is_here)?))).collect();
    let (_, _, first) = theirs.first()?;
    let names: Vec<String> = theirs.iter().take(5).map(|(kind, name, _)| format!("{kind} {name}")).collect();
    let more =
        if theirs.len() > names.len() { format!(" and {} more", theirs.len() - names.len()) } else { String::new() };
    let from = first.id.as_deref().map(|id| format!(" --from {id}")).unwrap_or_default();
    let message = format!(
        "{}{more} of the Compose project {project} were {}, and this store does not know them. `launchway adopt {} --project {}{from}` takes them over, with their data; or give the environment another `compose-project` in launchway.toml.",
        names.join(", "),
        described(first),
        release.environment,
        release.project,
    );
    Some(Problem::error(None, "", message))
}
