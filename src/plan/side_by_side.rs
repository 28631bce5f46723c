//! Whether two containers of a component can run at once.

use super::relations::Relations;
use crate::model::{Component, MountSource, NetworkMode};

/// Why two containers of the component cannot run at once, if so; the ports that it publishes apart.
pub(super) fn two_are_impossible(relations: &Relations<'_>, component: &Component) -> Option<String> {
    let container = &component.container;
    if relations.is_job(&component.name) || component.settings.job {
        return Some("it is a job that runs once and ends".into());
    }
    if component.replicas == 0 {
        return Some("it has no replicas".into());
    }
    if let Some(name) = &container.container_name {
        return Some(format!("its container_name {name} can exist only once"));
    }
    match &container.network_mode {
        NetworkMode::Host => return Some("it uses the host's network, whose ports two cannot share".into()),
        NetworkMode::Component(other) => return Some(format!("it shares the network of {other}")),
        NetworkMode::Container(other) => return Some(format!("it shares the network of container {other}")),
        NetworkMode::Networks | NetworkMode::None | NetworkMode::Bridge => {}
    }
    if let Some(other) = container.processes_of() {
        return Some(format!("it shares the processes of {other}"));
    }
    for mount in container.mounts.iter().filter(|mount| mount.is_writable_storage()) {
        match &mount.source {
            MountSource::Volume { key, .. } if component.settings.shared_volumes.contains(key) => {}
            MountSource::Volume { key, .. } => {
                return Some(format!("it writes to volume {key}, and two writers would corrupt it"));
            }
            MountSource::Anonymous => {
                return Some(format!("it writes to an unnamed volume at {}, which is handed on", mount.target));
            }
            _ => return Some(format!("it writes to the host at {}, and two writers would corrupt it", mount.target)),
        }
    }
    let is_mounted = |path: &&String| container.mounts.iter().any(|mount| mount.target == **path);
    if let Some(path) = component.image_volumes.iter().find(|path| !is_mounted(path)) {
        return Some(format!("its image keeps data at {path}, in an unnamed volume that is handed on"));
    }
    let fixed =
        |network: &crate::model::NetworkAttachment| network.ipv4_address.clone().or(network.ipv6_address.clone());
    if let Some(address) = container.networks.values().find_map(fixed) {
        return Some(format!("its address {address} can be had only once"));
    }
    if component.update.order.as_deref() == Some("stop-first") && component.replicas == 1 {
        return Some("its update_config says stop-first and it has one replica".into());
    }
    None
}
