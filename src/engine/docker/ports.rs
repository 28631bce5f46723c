//! A port that is taken: by whom, and how to free it.

use super::answer::Denied;
use super::connect::DockerEngine;
use super::service::Existing;
use crate::engine::{EngineError, Whose};
use crate::model::{Kind, label};
use bollard::models::{ContainerSummary, PortMap};
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;

/// The engine's words for a port that it cannot have: `port is already allocated` (another container), `address
/// already in use` (a process of the host).
pub(super) fn is_about_a_port(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("port is already allocated")
        || message.contains("address already in use")
        || message.contains("ports are not available")
}

/// A port of the host that a container asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    address: String,
    port: u16,
    protocol: String,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.address.is_empty() {
            let ipv6 = self.address.contains(':');
            if ipv6 { write!(f, "[{}]:", self.address)? } else { write!(f, "{}:", self.address)? }
        }
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl DockerEngine {
    /// Turns the engine's refusal to start into one that names the holder.
    pub(super) async fn port_taken(&self, target: Existing<'_>, denied: Denied) -> EngineError {
        let (bindings, own) = match self.look_up(target.id).await {
            Ok(Some(found)) => (
                found.host_config.and_then(|host| host.port_bindings).unwrap_or_default(),
                found.config.and_then(|config| config.labels).unwrap_or_default(),
            ),
            Ok(None) => Default::default(),
            Err(error) => return error,
        };
        let options = ListContainersOptionsBuilder::new().build();
        let running = self.query("list the running containers", self.client().list_containers(Some(options))).await;
        let running = running.unwrap_or_default();
        let wanted = wanted(&bindings);
        let named = named_in(denied.message(), &wanted);
        let holder = |wanted: &&Wanted| holder(wanted, target.id, &running).is_some();
        // The engine's text names the port; where it does not, whichever of ours somebody holds.
        let Some(port) = named.or_else(|| wanted.iter().find(holder).cloned()).or_else(|| wanted.first().cloned())
        else {
            return denied.into();
        };
        let why = match super::ports::holder(&port, target.id, &running) {
            Some(container) => self.held_by(container, &own),
            None => format!(
                "a process of the engine's host listens on it (or a container in the host's network). `sudo ss -lnp 'sport = :{}'` there shows which; stop it, or publish another port",
                port.port
            ),
        };
        EngineError::PortTaken { port: port.to_string(), why }
    }

    /// Who holds a port, and how to free it: another environment of ours is not to be stopped by hand.
    /// `own`: the labels of who wants it.
    fn held_by(&self, container: &ContainerSummary, own: &HashMap<String, String>) -> String {
        let name = super::observed::name_in_list(container).unwrap_or_default();
        let labels = container.labels.clone().unwrap_or_default().into_iter().collect();
        let id = container.id.as_deref().unwrap_or_default();
        if let Whose::Ours(labels) = self.ownership.whose(Kind::Container, id, labels)
            && let (Some(project), Some(environment)) = (labels.get(label::PROJECT), labels.get(label::ENVIRONMENT))
            && (own.get(label::PROJECT), own.get(label::ENVIRONMENT)) != (Some(project), Some(environment))
        {
            return format!(
                "{project}/{environment}, which is deployed here too, publishes it with container {name}. Publish another port in one of the two; where {project}/{environment} has left launchway.toml, `launchway remove {project}/{environment} --keep-volumes` frees it"
            );
        }
        format!("container {name} publishes it. Free it with `docker stop {name}`, or publish another port")
    }
}

fn wanted(bindings: &PortMap) -> Vec<Wanted> {
    let mut all = Vec::new();
    for (key, bindings) in bindings {
        let protocol = key.split_once('/').map_or("tcp", |(_, protocol)| protocol);
        for binding in bindings.iter().flatten() {
            if let Some(port) = binding.host_port.as_deref().and_then(|port| port.parse().ok()) {
                let address = binding.host_ip.clone().unwrap_or_default();
                all.push(Wanted { address, port, protocol: protocol.into() });
            }
        }
    }
    all.sort_by(|a, b| (a.port, &a.protocol, &a.address).cmp(&(b.port, &b.protocol, &b.address)));
    all
}

/// The first of ours whose number stands behind a colon in the text: `Bind for 0.0.0.0:8080 failed`.
fn named_in(message: &str, wanted: &[Wanted]) -> Option<Wanted> {
    message
        .split(':')
        .skip(1)
        .filter_map(|after| after.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok())
        .find_map(|number| wanted.iter().find(|wanted| wanted.port == number).cloned())
}

/// Who publishes a port that `wanted` would collide with.
fn holder<'a>(wanted: &Wanted, own_id: &str, running: &'a [ContainerSummary]) -> Option<&'a ContainerSummary> {
    let others = running.iter().filter(|container| container.id.as_deref() != Some(own_id));
    for container in others {
        for port in container.ports.iter().flatten() {
            let protocol = port.typ.map(|protocol| protocol.to_string()).unwrap_or_default();
            let same = port.public_port == Some(wanted.port) && protocol == wanted.protocol;
            if same && overlap(&wanted.address, port.ip.as_deref().unwrap_or_default()) {
                return Some(container);
            }
        }
    }
    None
}

fn overlap(one: &str, other: &str) -> bool {
    let all = |address: &str| matches!(address, "" | "0.0.0.0" | "::");
    one == other || all(one) || all(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_ports(ports: &[u16]) -> Vec<Wanted> {
        ports.iter().map(|port| Wanted { address: "0.0.0.0".into(), port: *port, protocol: "tcp".into() }).collect()
    }

    #[test]
    fn the_port_is_found_in_the_words_of_old_and_new_engines() {
        for message in [
            "driver failed programming external connectivity on endpoint x (0a1b): Bind for 0.0.0.0:8080 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint x (0a1b): Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use",
            "failed to set up container networking: driver failed programming external connectivity on endpoint x (0a1b): failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address already in use",
        ] {
            assert!(is_about_a_port(message));
            assert_eq!(named_in(message, &wanted_ports(&[80, 808, 8080])).unwrap().port, 8080, "{message}");
        }
        assert!(!is_about_a_port("no space left on device"));
    }

    #[test]
    fn an_address_collides_with_itself_and_with_all_addresses() {
        assert!(overlap("127.0.0.1", "0.0.0.0"));
        assert!(overlap("", "10.0.0.1"));
        assert!(!overlap("127.0.0.1", "10.0.0.1"));
    }
}
