//! What the engine says of a container, in the model's words. Pure.

use super::containers::name_of;
use crate::engine::Labels;
use crate::model::{
    AnotherStore, ComponentName, ContainerState, DeploymentId, EnvironmentName, Fingerprint, ForeignContainer, Health,
    Mounted, ObservedContainer, ProjectName, Protocol, PublishedPort, ReleaseId, ReplicaAddress, Storage,
    is_unnamed_volume, label,
};
use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum as Status, ContainerSummary,
    ContainerSummaryStateEnum, HealthStatusEnum, MountPoint, PortMap,
};
use std::collections::{BTreeMap, HashSet};

/// Which component a container belongs to, by its labels.
pub(super) fn component_of(labels: &Labels) -> Option<ComponentName> {
    let name = labels.get(label::COMPONENT).or_else(|| labels.get(label::COMPOSE_SERVICE))?;
    ComponentName::new(name.clone()).ok()
}

/// `docker compose run`, release commands, and the like.
pub(super) fn is_oneoff(labels: &Labels) -> bool {
    labels.get(label::COMPOSE_ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `labels`: those that are true of it. `edge`: the environment's edge network, where it has one. `None` where the engine's
/// answer has no id, or the labels name no component.
pub(super) fn observed(
    found: &ContainerInspectResponse,
    labels: &Labels,
    edge: Option<&str>,
) -> Option<ObservedContainer> {
    let state = found.state.clone().unwrap_or_default();
    let text = |key: &str| labels.get(key).cloned();
    let (volumes, anonymous_volumes) = volumes(found);
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.clone()).unwrap_or_default();
    Some(ObservedContainer {
        id: found.id.clone()?,
        name: name_of(found).to_string(),
        component: component_of(labels)?,
        replica: text(label::COMPOSE_NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1),
        fingerprint: text(label::FINGERPRINT).map(Fingerprint),
        project: text(label::PROJECT).and_then(|text| ProjectName::new(text).ok()),
        environment: text(label::ENVIRONMENT).and_then(|text| EnvironmentName::new(text).ok()),
        release: text(label::RELEASE).and_then(|text| text.parse::<ReleaseId>().ok()),
        deployment: text(label::DEPLOYMENT).and_then(|text| text.parse::<DeploymentId>().ok()),
        state: container_state(&state),
        health: health(&state),
        image_id: found.image.clone().unwrap_or_default(),
        created_at: found.created.map(|time| rfc3339(time.unix_timestamp_nanos())).unwrap_or_default(),
        restart_count: found.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        ended_ms: state.finished_at.as_deref().and_then(milliseconds),
        started_ms: state.started_at.as_deref().and_then(milliseconds),
        volumes,
        anonymous_volumes,
        mounts: mounts(found),
        image: found.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default(),
        networks: networks.into_iter().map(|(name, at)| (name, at.ip_address.unwrap_or_default())).collect(),
        published: published(found),
        edge_address: edge.and_then(|edge| address_there(found, edge)),
        fronted: labels.contains_key(label::FRONTED),
    })
}

/// The address that it was given on a network, which the engine keeps while the container is stopped.
fn address_there(found: &ContainerInspectResponse, network: &str) -> Option<ReplicaAddress> {
    let endpoint = found.network_settings.as_ref()?.networks.as_ref()?.get(network)?;
    let asked = endpoint.ipam_config.as_ref()?;
    let v4 = asked.ipv4_address.as_ref()?.parse().ok()?;
    Some(ReplicaAddress { v4, v6: asked.ipv6_address.as_ref().and_then(|text| text.parse().ok()) })
}

/// The engine writes the year 1 where nothing has ended yet.
fn milliseconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond).filter(|at| *at > 0)
}

fn rfc3339(nanoseconds: i128) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds).map(|time| time.to_string()).unwrap_or_default()
}

pub(super) fn health(state: &EngineState) -> Health {
    match state.health.as_ref().and_then(|health| health.status) {
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Health::None,
    }
}

pub(super) fn container_state(state: &EngineState) -> ContainerState {
    match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING | Status::STOPPING) => ContainerState::Running,
        Some(Status::PAUSED) => ContainerState::Paused,
        Some(Status::RESTARTING) => ContainerState::Restarting,
        Some(Status::DEAD | Status::REMOVING) => ContainerState::Dead,
        Some(Status::EXITED) => ContainerState::Exited { code: state.exit_code.unwrap_or_default() },
        Some(Status::EMPTY) | None if state.running == Some(true) => ContainerState::Running,
        Some(Status::EMPTY) | None => ContainerState::Exited { code: state.exit_code.unwrap_or_default() },
    }
}

type Volumes = BTreeMap<String, String>;

/// All by name, and those without a name of their own by path.
fn volumes(found: &ContainerInspectResponse) -> (Volumes, Volumes) {
    let mut named = Volumes::new();
    let mut anonymous = Volumes::new();
    for mount in found.mounts.iter().flatten() {
        let (Some(name), Some(path)) = (&mount.name, &mount.destination) else { continue };
        if mount.typ.as_deref() != Some("volume") {
            continue;
        }
        named.insert(name.clone(), path.clone());
        if is_unnamed_volume(name) {
            anonymous.insert(path.clone(), name.clone());
        }
    }
    (named, anonymous)
}

/// What is mounted where. The part of a volume, and a plain tmpfs, only what was asked for tells.
pub(super) fn mounts(found: &ContainerInspectResponse) -> Vec<Mounted> {
    let host = found.host_config.as_ref();
    let asked = host.and_then(|host| host.mounts.as_ref()).into_iter().flatten();
    let parts: BTreeMap<&str, &str> = asked
        .filter_map(|mount| {
            let options = mount.volume_options.as_ref()?;
            Some((mount.target.as_deref()?, options.subpath.as_deref().filter(|subpath| !subpath.is_empty())?))
        })
        .collect();
    let mut all = mount_points(found.mounts.iter().flatten());
    for mounted in &mut all {
        if let (Some(part), storage) = (parts.get(mounted.target.as_str()), &mut mounted.storage) {
            *storage = storage.below(part);
        }
    }
    let tmpfs = host.and_then(|host| host.tmpfs.as_ref()).into_iter().flatten();
    all.extend(tmpfs.map(|(path, options)| Mounted {
        target: path.clone(),
        storage: Storage::Tmpfs,
        writable: !options.split(',').any(|option| option == "ro"),
    }));
    all.sort_by(|a, b| a.target.cmp(&b.target));
    all
}

fn mount_points<'a>(points: impl Iterator<Item = &'a MountPoint>) -> Vec<Mounted> {
    let mounted = points.filter_map(|point| {
        let storage = match point.typ.as_deref()? {
            "volume" => Storage::volume(point.name.clone()?),
            "bind" => Storage::Host { path: point.source.clone()? },
            "tmpfs" => Storage::Tmpfs,
            _ => return None,
        };
        Some(Mounted { target: point.destination.clone()?, storage, writable: point.rw != Some(false) })
    });
    mounted.collect()
}

/// What it holds while it runs; else what it would ask for.
fn published(found: &ContainerInspectResponse) -> Vec<PublishedPort> {
    let held = found.network_settings.as_ref().and_then(|settings| settings.ports.as_ref()).map(published_in);
    let asked = || found.host_config.as_ref().and_then(|host| host.port_bindings.as_ref()).map(published_in);
    held.filter(|held| !held.is_empty()).or_else(asked).unwrap_or_default()
}

fn published_in(ports: &PortMap) -> Vec<PublishedPort> {
    let mut all = Vec::new();
    for (key, bindings) in ports {
        let Some(protocol) = key.split_once('/').and_then(|(_, word)| protocol(word)) else { continue };
        for binding in bindings.iter().flatten() {
            let Some(port) = binding.host_port.as_deref().and_then(|port| port.parse().ok()) else { continue };
            let host_ip = binding.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".into());
            all.push(PublishedPort { host_ip, port, protocol });
        }
    }
    in_order(all)
}

fn in_order(mut ports: Vec<PublishedPort>) -> Vec<PublishedPort> {
    ports.sort_by(|a, b| (a.port, a.protocol, &a.host_ip).cmp(&(b.port, b.protocol, &b.host_ip)));
    ports.dedup();
    ports
}

fn protocol(word: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|protocol| protocol.word() == word)
}

/// A container of somebody else's, out of the list alone.
pub(super) fn foreign(listed: &ContainerSummary, another: Option<AnotherStore>) -> Option<ForeignContainer> {
    let state = listed.state;
    let running = matches!(
        state,
        Some(
            ContainerSummaryStateEnum::RUNNING
                | ContainerSummaryStateEnum::PAUSED
                | ContainerSummaryStateEnum::RESTARTING
                | ContainerSummaryStateEnum::STOPPING
        )
    );
    let published = listed.ports.iter().flatten().filter_map(|port| {
        Some(PublishedPort {
            host_ip: port.ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".into()),
            port: port.public_port?,
            protocol: protocol(port.typ?.as_ref())?,
        })
    });
    Some(ForeignContainer {
        id: listed.id.clone()?,
        name: name_in_list(listed).unwrap_or_default(),
        running,
        labels: listed.labels.clone().unwrap_or_default().into_iter().collect(),
        published: in_order(published.collect()),
        mounts: mount_points(listed.mounts.iter().flatten()),
        image: listed.image.clone().unwrap_or_default(),
        another,
    })
}

/// Its own name: containers that link to it add theirs (`/web/db`).
pub(super) fn name_in_list(listed: &ContainerSummary) -> Option<String> {
    let names: HashSet<&str> = listed.names.iter().flatten().map(|name| name.trim_start_matches('/')).collect();
    names.into_iter().find(|name| !name.contains('/')).map(str::to_string)
}
