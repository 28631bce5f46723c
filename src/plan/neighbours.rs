//! What two environments would both take of one engine: they must not meet.

use super::clash::{published_at, share_an_address};
use super::container::container_name;
use super::routing::named;
use crate::model::{Component, Listen, MountSource, Network, Place, Port, Problem, Release};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// Container names, ports, routes, networks, their addresses, volumes, and folders of the host that a release wants and
/// that another environment's release already has. Each message names both, and where it stands in the other's file. A
/// network or volume that one of them declares `external` is shared on purpose, and so is what lies below `shared_paths`
/// (absolute paths of the host).
pub fn clashes(release: &Release, other: &Release, shared_paths: &[String]) -> Vec<Problem> {
    if (&release.project, &release.environment) == (&other.project, &other.environment) {
        return Vec::new();
    }
    let mut both = Both { release, other, problems: Vec::new() };
    both.of_components();
    both.of_paths(shared_paths);
    both.of_volumes_and_networks();
    both.of_addresses();
    both.problems
}

/// Two releases of different environments, and what both want.
struct Both<'a> {
    release: &'a Release,
    other: &'a Release,
    problems: Vec<Problem>,
}

impl Both<'_> {
    fn say(&mut self, place: &Option<Place>, key: String, what: String, there: &Option<Place>, way_out: &str) {
        let there = there.as_ref().map(|place| format!(" (there at {place})")).unwrap_or_default();
        let message = format!(
            "{}/{} and {}/{}{there} both want {what}: two environments must not meet. {way_out}",
            self.release.project, self.release.environment, self.other.project, self.other.environment
        );
        self.problems.push(Problem::error(place.clone(), key, message));
    }

    /// Container names, routes and ports of the host.
    fn of_components(&mut self) {
        let other = self.other;
        let of_others = || other.stack.components.values();
        // Once, and not for each component.
        let taken: BTreeMap<String, &Place> =
            of_others().flat_map(|held| names(self.other, held).map(|name| (name, &held.place))).collect();
        let ports: Vec<(Port, &Place)> =
            of_others().flat_map(|held| ports_of_the_host(held).into_iter().map(|port| (port, &held.place))).collect();
        for component in self.release.stack.components.values() {
            let place = Some(component.place.clone());
            let name = names(self.release, component).find_map(|name| Some((taken.get(&name).copied()?, name)));
            if let Some((there, name)) = name {
                let way_out = match component.container.container_name {
                    Some(_) => "Drop `container_name`, or let it differ by a variable of the environment.",
                    None => "Give one of them another `compose-project` in launchway.toml.",
                };
                let key = format!("services.{}.container_name", component.name);
                self.say(&place, key, format!("the container name {name}"), &Some(there.clone()), way_out);
            }
            let routes = component.entries.iter().filter(|entry| matches!(entry.listen, Listen::Shared { .. }));
            for entry in routes {
                let collides = |held: &&Component| held.entries.iter().any(|held| held.listen.collides(&entry.listen));
                let Some(held) = of_others().find(collides) else { continue };
                let way_out = "Let the host differ by a variable of the environment.";
                let key = format!("services.{}.x-launchway.route", component.name);
                self.say(
                    &place,
                    key,
                    format!("the route {}", named(&entry.listen)),
                    &Some(held.place.clone()),
                    way_out,
                );
            }
            for port in &ports_of_the_host(component) {
                let Some((_, there)) = ports.iter().find(|(held, _)| is_same(port, held)) else { continue };
                let published = port.published.unwrap_or_default();
                let way_out = "Let it differ by a variable of the environment, such as \"${PORT}:8080\".";
                let key = format!("services.{}.ports", component.name);
                self.say(&place, key, format!("port {published} of the host"), &Some((*there).clone()), way_out);
            }
        }
    }

    fn of_paths(&mut self, shared_paths: &[String]) {
        let held = written_paths(self.other);
        for WrittenPath { path, key, place } in written_paths(self.release) {
            let is_shared = shared_paths.iter().any(|shared| lies_in(path, shared));
            let meets = |held: &&WrittenPath<'_>| lies_in(path, held.path) || lies_in(held.path, path);
            let Some(held) = held.iter().find(meets).filter(|_| !is_shared) else { continue };
            let what = match held.path == path {
                true => format!("to write in {path} of the host"),
                false => format!("to write in {path} of the host (there {})", held.path),
            };
            let way_out = format!(
                "Let it differ by a variable of the environment, mount it `read_only`, or allow it with `allow.shared-paths = [{path:?}]` of the project in launchway.toml."
            );
            self.say(&place, key, what, &held.place, &way_out);
        }
    }

    fn of_volumes_and_networks(&mut self) {
        let way_out = "Drop its `name:`; or, if it is meant to be shared, declare it `external: true` and allow it with `allow.external` of the project in launchway.toml.";
        for (key, volume) in self.release.stack.volumes.iter().filter(|(_, volume)| !volume.external) {
            let held = self.other.stack.volumes.values().find(|held| held.name == volume.name && !held.external);
            if let Some(held) = held {
                let what = format!("the volume {}", volume.name);
                self.say(&volume.place, format!("volumes.{key}"), what, &held.place, way_out);
            }
        }
        for (key, network) in self.release.stack.networks.iter().filter(|(_, network)| !network.external) {
            let held = self.other.stack.networks.values().find(|held| held.name == network.name && !held.external);
            if let Some(held) = held {
                let what = format!("the network {}", network.name);
                self.say(&network.place, format!("networks.{key}"), what, &held.place, way_out);
            }
        }
    }

    /// Ranges of addresses of networks.
    fn of_addresses(&mut self) {
        let way_out = "Drop `ipam`, or let its `subnet` differ by a variable of the environment.";
        for (key, network) in &self.release.stack.networks {
            let held = self.other.stack.networks.values();
            let taken = ranges(network).find_map(|range| {
                Some((held.clone().find(|held| ranges(held).any(|held| overlap(&held, &range)))?, range))
            });
            if let Some((held, range)) = taken {
                let key = format!("networks.{key}.ipam");
                self.say(&network.place, key, format!("addresses of {range}"), &held.place, way_out);
            }
        }
    }
}

/// A path of the host that a release may write to.
struct WrittenPath<'a> {
    path: &'a str,
    key: String,
    place: Option<Place>,
}

/// Those that its containers mount, and those that its volumes are made of (`o: bind`).
fn written_paths(release: &Release) -> Vec<WrittenPath<'_>> {
    let mounted = release.stack.components.values().flat_map(|component| {
        let writable = component.container.mounts.iter().filter(|mount| !mount.read_only);
        writable.filter_map(|mount| match &mount.source {
            // A socket is somebody's door, not a place to keep things.
            MountSource::Host { path, .. } if !is_of_the_system(path) && !path.ends_with(".sock") => {
                Some(WrittenPath {
                    path,
                    key: format!("services.{}.volumes", component.name),
                    place: Some(component.place.clone()),
                })
            }
            _ => None,
        })
    });
    let volumes = release.stack.volumes.iter().filter(|(_, volume)| !volume.external);
    let bound = volumes.filter_map(|(key, volume)| {
        let path = volume.driver_opts.get("device").filter(|path| path.starts_with('/') && !is_of_the_system(path))?;
        Some(WrittenPath { path, key: format!("volumes.{key}.driver_opts.device"), place: volume.place.clone() })
    });
    mounted.chain(bound).collect()
}

/// What the kernel or the system makes anew at each start.
fn is_of_the_system(path: &str) -> bool {
    ["/dev", "/proc", "/sys", "/run", "/var/run", "/tmp"].iter().any(|folder| lies_in(path, folder))
}

/// Whether an absolute path is this folder or below it.
fn lies_in(path: &str, folder: &str) -> bool {
    std::path::Path::new(path).starts_with(folder)
}

/// The addresses that a network takes for itself: an engine gives no two networks the same.
fn ranges(network: &Network) -> impl Iterator<Item = IpNet> + '_ {
    // Another driver may know better.
    let is_usual = !network.external && network.ipam_driver.as_deref().is_none_or(|driver| driver == "default");
    let own = network.ipam.iter().filter(move |_| is_usual);
    own.filter_map(|pool| pool.subnet.as_deref()?.parse::<IpNet>().ok())
}

/// Whether an address lies in both.
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn names<'a>(release: &'a Release, component: &'a Component) -> impl Iterator<Item = String> + 'a {
    (1..=component.replicas).map(move |replica| container_name(release, component, replica))
}

/// Those that its containers publish, and those that the edge opens for it.
pub(super) fn ports_of_the_host(component: &Component) -> Vec<Port> {
    if component.replicas == 0 {
        return Vec::new();
    }
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
