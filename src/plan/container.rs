//! From a component of a release to what the engine needs to create one container of it.

use super::host_paths;
use super::routing::EDGE_NETWORK;
use super::unnamed::Unnamed;
use super::{ContainerSpec, ContentVolume, EngineMount, EngineNetwork, EngineNetworkMode, Target, VolumeContent};
use crate::model::{
    Component, ComponentName, ContainerSettings, DeploymentId, HealthCheck, Logging, MountSource, NetworkMode,
    Observed, ObservedContainer, ObservedVolume, Release, Resources, RestartPolicy, label, own_names,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The image that fronts have where Launchway runs in no container itself.
pub const FRONT_IMAGE: &str = "launchway/front";
/// A volume of the front's own, which outlives restarts.
pub const FRONT_VOLUME: &str = "/state";
/// All that it writes is in there.
pub const FRONT_FOLDER: &str = "/state/front";
/// Nobody, in most images.
pub const FRONT_USER: u64 = 65534;
/// What ten thousand connections take; an idle front has some megabytes.
const FRONT_MEMORY: i64 = 128 * 1024 * 1024;
const FRONT_PROCESSES: i64 = 64;

/// The container of the front that owns a component's name. Its image is the engine's to find.
pub fn front_spec(release: &Release, deployment: Option<DeploymentId>, component: &Component) -> ContainerSpec {
    let mut networks = networks(release, component, true);
    for network in &mut networks {
        network.mac_address = None;
    }
    let text = networks.iter().map(|EngineNetwork { name, aliases, .. }| format!("{name} {aliases:?}\n"));
    let fingerprint = format!("front:{}", hex::encode(Sha256::digest(text.collect::<String>())));
    let mut labels = BTreeMap::new();
    let mut set = |key: &str, value: String| {
        labels.insert(key.to_string(), value);
    };
    set(label::PROJECT, release.project.to_string());
    set(label::ENVIRONMENT, release.environment.to_string());
    set(label::COMPONENT, component.name.to_string());
    set(label::ROLE, label::FRONT.to_string());
    set(label::FINGERPRINT, fingerprint);
    if let Some(deployment) = deployment {
        set(label::DEPLOYMENT, deployment.to_string());
    }
    // `docker compose ps` shows it, beside the service that it stands before.
    set(label::COMPOSE_PROJECT, release.stack.compose_project.clone());
    set(label::COMPOSE_SERVICE, format!("{}-front", component.name));
    set(label::COMPOSE_NUMBER, "1".to_string());
    set(label::COMPOSE_ONEOFF, "False".to_string());
    let settings = ContainerSettings {
        user: Some(format!("{FRONT_USER}:{FRONT_USER}")),
        working_dir: Some("/".into()),
        read_only: true,
        init: Some(false),
        cap_drop: vec!["ALL".into()],
        security_opt: vec!["no-new-privileges:true".into()],
        restart: Some(RestartPolicy::Always),
        resources: Resources {
            memory_limit_bytes: Some(FRONT_MEMORY),
            pids_limit: Some(FRONT_PROCESSES),
            ..Resources::default()
        },
        healthcheck: Some(HealthCheck::disabled()),
        ..ContainerSettings::default()
    };
    ContainerSpec {
        name: front_name(release, component),
        image: FRONT_IMAGE.into(),
        settings,
        mounts: vec![EngineMount::Anonymous { target: FRONT_VOLUME.into(), read_only: false }],
        network: EngineNetworkMode::Networks(networks),
        processes_of: None,
        labels,
        logging: rotating_logs(),
    }
}

/// What a front's container is called.
pub fn front_name(release: &Release, component: &Component) -> String {
    format!("{}-{}-front", release.stack.compose_project, component.name)
}

/// The name of a component's container: what Compose would give it, where the component's front does not need that.
pub fn container_name(release: &Release, component: &Component, replica: u32) -> String {
    match &component.container.container_name {
        Some(name) => name.clone(),
        None => {
            let name = format!("{}-{}-{replica}", release.stack.compose_project, component.name);
            // Others call it so, and are to find the front there.
            match component.is_fronted() && component.called_containers.contains(&name) {
                true => format!("{name}.behind-front"),
                false => name,
            }
        }
    }
}

/// Labels by which a container is recognised after a restart: ours, and Compose's own.
fn labels(
    release: &Release,
    deployment: Option<DeploymentId>,
    component: &Component,
    replica: u32,
) -> BTreeMap<String, String> {
    let mut labels = component.container.labels.clone();
    let mut set = |key: &str, value: String| {
        labels.insert(key.to_string(), value);
    };
    set(label::PROJECT, release.project.to_string());
    set(label::ENVIRONMENT, release.environment.to_string());
    set(label::COMPONENT, component.name.to_string());
    set(label::RELEASE, release.id.to_string());
    set(label::COMMIT, release.commit.to_string());
    if let Some(deployment) = deployment {
        set(label::DEPLOYMENT, deployment.to_string());
    }
    if let Some(part) = release.parts.get(&component.name) {
        set(label::FINGERPRINT, part.fingerprint.0.clone());
        set(label::COMPOSE_CONFIG_HASH, part.fingerprint.0.split(':').next_back().unwrap_or_default().to_string());
    }
    set(label::COMPOSE_PROJECT, release.stack.compose_project.clone());
    set(label::COMPOSE_SERVICE, component.name.to_string());
    set(label::COMPOSE_NUMBER, replica.to_string());
    set(label::COMPOSE_ONEOFF, "False".to_string());
    if component.is_fronted() {
        set(label::FRONTED, "true".to_string());
    }
    labels
}

/// How the store that plans calls its content volumes. Several stores may share an engine, and none may take away, or fill, what
/// another one mounts: so the name says whose it is. Those that were made before names did are used on.
#[derive(Clone, Copy)]
pub struct ContentNames<'a> {
    store: &'a str,
    there: &'a BTreeMap<String, ObservedVolume>,
}

impl<'a> ContentNames<'a> {
    /// The names of volumes of contents that are there already.
    pub fn of(observed: &'a Observed) -> Self {
        Self { store: &observed.store, there: &observed.volumes }
    }

    fn name(&self, volume: &ContentVolume) -> String {
        let is_ours = |there: &ObservedVolume| {
            there.another.is_none() && there.labels.get(label::CONTENT) == volume.labels.get(label::CONTENT)
        };
        match self.there.get(&volume.name) {
            Some(there) if is_ours(there) => volume.name.clone(),
            _ => of_store(self.store, &volume.name),
        }
    }
}

/// `launchway-folder-ID` as a store calls it: `launchway-STORE-folder-ID`.
fn of_store(store: &str, name: &str) -> String {
    match name.strip_prefix(own_names::PREFIX) {
        Some(rest) if !store.is_empty() => format!("{}{store}-{rest}", own_names::PREFIX),
        _ => name.to_string(),
    }
}

/// The content volumes that a component mounts.
pub fn content_volumes(component: &Component, names: ContentNames<'_>) -> Vec<ContentVolume> {
    let volumes = unowned_content_volumes(component);
    volumes.map(|volume| ContentVolume { name: names.name(&volume), ..volume }).collect()
}

/// Every name that the content volumes of a component may have, of which a store made or makes them.
pub fn content_volume_names(component: &Component, store: &str) -> Vec<String> {
    unowned_content_volumes(component).flat_map(|volume| [of_store(store, &volume.name), volume.name]).collect()
}

/// As they were called before names said of which store they are.
pub(super) fn unowned_content_volumes(component: &Component) -> impl Iterator<Item = ContentVolume> {
    component.container.mounts.iter().filter_map(|mount| content_volume(&mount.source))
}

/// Named by what is in it, so that equal content is one volume, whichever component mounts it.
fn content_volume(source: &MountSource) -> Option<ContentVolume> {
    let (name, id, content) = match source {
        MountSource::Repository { path, folder: true, id, mount_points } => {
            let mut name = format!("launchway-folder-{id}");
            if !mount_points.is_empty() {
                let text = mount_points.iter().map(|point| format!("{} {}\n", point.folder, point.path));
                name.push_str(&format!("-{}", &hex::encode(Sha256::digest(text.collect::<String>()))[..12]));
            }
            let content = VolumeContent::Folder { path: path.clone(), mount_points: mount_points.clone() };
            (name, id.clone(), content)
        }
        MountSource::Repository { path, folder: false, id, .. } => {
            (format!("launchway-file-{id}"), id.clone(), VolumeContent::File { path: path.clone() })
        }
        MountSource::Text { text, uid, gid, mode, .. } => {
            let number = |text: &Option<String>| text.as_deref().and_then(|t| t.parse().ok()).unwrap_or(0);
            let (uid, gid, mode) = (number(uid), number(gid), mode.unwrap_or(0o444));
            let mut hash = Sha256::new();
            hash.update(format!("{uid}:{gid}:{mode:o}:"));
            hash.update(text.expose());
            let id = hex::encode(hash.finalize());
            (format!("launchway-text-{}", &id[..40]), id, VolumeContent::Text { text: text.clone(), uid, gid, mode })
        }
        _ => return None,
    };
    Some(ContentVolume { name, content, labels: BTreeMap::from([(label::CONTENT.to_string(), id)]) })
}

/// One container of a component. `predecessor` is the container whose unnamed volumes are handed on, as far as `unnamed`
/// says; `joined` are the containers of which it shares something.
pub fn container_spec(
    release: &Release,
    deployment: Option<DeploymentId>,
    component: &Component,
    replica: u32,
    (predecessor, unnamed): (Option<&ObservedContainer>, &Unnamed),
    joined: Joined,
    names: ContentNames<'_>,
) -> ContainerSpec {
    let inherited = unnamed.handed_on(component, replica, predecessor);
    ContainerSpec {
        name: container_name(release, component, replica),
        image: release.parts.get(&component.name).map(|part| part.image.reference().to_string()).unwrap_or_default(),
        settings: component.container.clone(),
        mounts: mounts(release, component, &inherited, names),
        network: network(release, component, joined.network),
        processes_of: joined.processes,
        labels: labels(release, deployment, component, replica),
        logging: component.container.logging.clone().unwrap_or_else(rotating_logs),
    }
}

/// Containers of other components of which one shares something.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// Whose network it has (`network_mode: service:x`).
    pub network: Option<Target>,
    /// Among whose processes it is (`pid: service:x`).
    pub processes: Option<Target>,
}

impl Joined {
    /// The steps that create them, where they are not there yet.
    pub fn created(&self) -> impl Iterator<Item = u32> + '_ {
        [&self.network, &self.processes].into_iter().flatten().filter_map(Target::created)
    }
}

/// Where the file has no `logging:`, logs rotate, so that they cannot fill the disk.
pub(super) fn rotating_logs() -> Logging {
    Logging {
        driver: Some("json-file".into()),
        options: BTreeMap::from([("max-size".into(), "20m".into()), ("max-file".into(), "5".into())]),
    }
}

/// `inherited`: unnamed volumes that are there already, by path.
fn mounts(
    release: &Release,
    component: &Component,
    inherited: &BTreeMap<String, String>,
    names: ContentNames<'_>,
) -> Vec<EngineMount> {
    let mut mounts: Vec<EngineMount> = Vec::new();
    let mut taken: Vec<&str> = Vec::new();
    for mount in &component.container.mounts {
        let (target, read_only) = (mount.target.clone(), mount.read_only);
        taken.push(&mount.target);
        mounts.push(match &mount.source {
            MountSource::Volume { key, no_copy, subpath } => EngineMount::Volume {
                name: release.stack.volumes.get(key).map(|volume| volume.name.clone()).unwrap_or_else(|| key.clone()),
                target,
                read_only,
                // The engine would fill an empty one from the image, and so write into what may only be read.
                no_copy: *no_copy || read_only && release.stack.volumes.get(key).is_some_and(|volume| volume.external),
                subpath: subpath.clone(),
            },
            MountSource::Anonymous => match inherited.get(&mount.target) {
                Some(name) => inherited_volume(name, &mount.target, read_only),
                None => EngineMount::Anonymous { target, read_only },
            },
            MountSource::Host { path, below: Some(folder), .. } => EngineMount::Below {
                volume: host_paths::name(release, folder),
                path: folder.clone(),
                subpath: path.strip_prefix(folder.as_str()).unwrap_or(path).trim_matches('/').to_string(),
                target,
                read_only,
            },
            MountSource::Host { path, below: None, propagation, create } => EngineMount::Host {
                path: path.clone(),
                target,
                read_only,
                propagation: propagation.clone(),
                create: *create,
            },
            MountSource::Tmpfs { size_bytes, mode, options } => {
                EngineMount::Tmpfs { target, size_bytes: *size_bytes, mode: *mode, options: options.clone(), read_only }
            }
            source @ (MountSource::Repository { .. } | MountSource::Text { .. }) => {
                let volume = content_volume(source).map(|volume| names.name(&volume)).unwrap_or_default();
                match source {
                    MountSource::Repository { folder: true, .. } => {
                        EngineMount::Volume { name: volume, target, read_only: true, no_copy: true, subpath: None }
                    }
                    _ => EngineMount::ContentFile { volume, target },
                }
            }
        });
    }
    // The image's own VOLUMEs: they are not in the Compose file, and hold data all the same.
    for (target, name) in inherited.iter().filter(|(target, _)| !taken.contains(&target.as_str())) {
        mounts.push(inherited_volume(name, target, false));
    }
    mounts
}

fn inherited_volume(name: &str, target: &str, read_only: bool) -> EngineMount {
    EngineMount::Volume { name: name.into(), target: target.into(), read_only, no_copy: false, subpath: None }
}

fn network(release: &Release, component: &Component, shared: Option<Target>) -> EngineNetworkMode {
    match &component.container.network_mode {
        NetworkMode::None => EngineNetworkMode::None,
        NetworkMode::Host => EngineNetworkMode::Host,
        NetworkMode::Bridge => EngineNetworkMode::Bridge,
        NetworkMode::Container(name) => EngineNetworkMode::ForeignContainer(name.clone()),
        NetworkMode::Component(other) => match shared {
            Some(target) => EngineNetworkMode::Container(target),
            None => EngineNetworkMode::ForeignContainer(other.to_string()),
        },
        NetworkMode::Networks => EngineNetworkMode::Networks(networks(release, component, false)),
    }
}

/// The component's own, or its front's: whose the component's names are.
fn networks(release: &Release, component: &Component, of_front: bool) -> Vec<EngineNetwork> {
    let owns_names = of_front || !component.is_fronted();
    let mut by_priority: Vec<_> = component.container.networks.iter().collect();
    by_priority.sort_by_key(|(key, attachment)| (std::cmp::Reverse(attachment.priority.unwrap_or(0)), key.as_str()));
    by_priority
        .into_iter()
        .filter_map(|(key, attachment)| {
            let network = release.stack.networks.get(key).filter(|_| !of_front || key != EDGE_NETWORK)?;
            let aliases = match owns_names {
                true => {
                    let mut names = names(release, component, &attachment.aliases);
                    names.extend(component.called_containers.iter().filter(|_| of_front).cloned());
                    names
                }
                false => vec![format!("{}-r{}", component.name, release.id)],
            };
            Some(EngineNetwork {
                name: network.name.clone(),
                aliases,
                ipv4_address: attachment.ipv4_address.clone(),
                ipv6_address: attachment.ipv6_address.clone(),
                mac_address: attachment.mac_address.clone(),
                driver_opts: attachment.driver_opts.clone(),
            })
        })
        .collect()
}

fn names(release: &Release, component: &Component, further: &[String]) -> Vec<String> {
    let mut names = vec![component.name.to_string()];
    names.extend(further.iter().cloned());
    names.extend(link_aliases(&release.stack.components, &component.name));
    names.dedup();
    names
}

/// `links: ["db:database"]` of others: the name by which they reach this component, given as an alias of it.
pub(super) fn link_aliases(components: &BTreeMap<ComponentName, Component>, name: &ComponentName) -> Vec<String> {
    let mut aliases: Vec<String> = components
        .values()
        .flat_map(|component| component.container.links.iter())
        .filter_map(|link| link.split_once(':'))
        .filter(|(target, alias)| *target == name.as_str() && *alias != name.as_str())
        .map(|(_, alias)| alias.to_string())
        .collect();
    aliases.sort();
    aliases.dedup();
    aliases
}

#[cfg(test)]
mod tests;
