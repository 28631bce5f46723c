//! What was changed by hand: where what runs differs from the live release.

use super::attached::detached;
use super::container::container_name;
use super::definition;
use super::goal::Wanted;
use super::standing::{ComponentStanding, Standing};
use crate::model::{Component, ComponentName, ContainerState, Observed, ObservedContainer, Quoted, Release};
use std::collections::BTreeMap;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub component: Option<ComponentName>,
    /// The container, network or volume, as the engine names it.
    pub subject: String,
    pub kind: DriftKind,
    /// How it differs, to be read after the subject: `is stopped`.
    pub how: String,
}

/// In what way something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    Missing,
    /// Nothing of the release.
    Extra,
    Stopped,
    Paused,
    Renamed,
    /// Not of the release, or changed since.
    Replaced,
    Image,
    Detached,
    Definition,
}

impl DriftKind {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Renamed => "renamed",
            Self::Replaced => "replaced",
            Self::Image => "image",
            Self::Detached => "detached",
            Self::Definition => "definition",
        }
    }
}

/// Every difference, component by component, then networks and volumes. `images` has the id under which the engine knows
/// each component's image of the release; absent where it has none.
pub fn drift(
    wanted: &Wanted<'_>,
    observed: &Observed,
    standings: &[ComponentStanding<'_>],
    images: &BTreeMap<ComponentName, String>,
) -> Vec<Drift> {
    let Some(release) = wanted.release else { return Vec::new() };
    let mut found = Vec::new();
    for standing in standings.iter().filter(|standing| !standing.is_job) {
        for (replica, one) in &standing.replicas {
            let is_taken = standing.others.iter().any(|other| other.replica == *replica);
            if matches!(one, Standing::Missing) && is_taken {
                continue;
            }
            of_replica(release, standing.component, *replica, *one, images, &mut found);
        }
        for container in &standing.others {
            let how = match container.release {
                Some(other) if other == release.id => format!("runs, but not as release {other} made it"),
                Some(other) => format!("runs, but is of release {other}"),
                None => "runs, but Launchway did not start it".to_string(),
            };
            found.push(of_container(container, DriftKind::Replaced, how));
        }
    }
    let runs = |c: &&ObservedContainer| {
        c.state == ContainerState::Running && !release.stack.components.contains_key(&c.component)
    };
    for container in observed.containers.iter().filter(runs) {
        let how = format!("runs, but release {} has no component {}", release.id, container.component);
        found.push(of_container(container, DriftKind::Extra, how));
    }
    networks_and_volumes(release, observed, &mut found);
    found
}

fn of_replica(
    release: &Release,
    component: &Component,
    replica: u32,
    standing: Standing<'_>,
    images: &BTreeMap<ComponentName, String>,
    found: &mut Vec<Drift>,
) {
    let name = container_name(release, component, replica);
    let Some(container) = standing.container() else {
        let how = "is not there".to_string();
        found.push(Drift { component: Some(component.name.clone()), subject: name, kind: DriftKind::Missing, how });
        return;
    };
    match (standing, container.state) {
        (_, ContainerState::Paused) => found.push(of_container(container, DriftKind::Paused, "is paused".into())),
        (Standing::ByHand(_), _) => {
            found.push(of_container(container, DriftKind::Stopped, "was stopped by hand".into()))
        }
        (Standing::Died(_), ContainerState::Exited { code }) => {
            found.push(of_container(container, DriftKind::Stopped, format!("has ended with code {code}")));
        }
        (Standing::Died(_), _) => found.push(of_container(container, DriftKind::Stopped, "was never started".into())),
        _ => {}
    }
    if container.name != name {
        found.push(of_container(container, DriftKind::Renamed, format!("should be named {name}")));
    }
    if let Some(image) = images.get(&component.name).filter(|image| **image != container.image_id) {
        let reference = release.parts.get(&component.name).map(|part| part.image.reference()).unwrap_or_default();
        let how =
            format!("runs image {}, but {} is now {}", short(&container.image_id), Quoted(reference), short(image));
        found.push(of_container(container, DriftKind::Image, how));
    }
    for network in detached(release, component, container) {
        found.push(of_container(container, DriftKind::Detached, format!("is not attached to network {network}")));
    }
}

fn networks_and_volumes(release: &Release, observed: &Observed, found: &mut Vec<Drift>) {
    let mut say = |subject: String, kind: DriftKind, how: String| {
        found.push(Drift { component: None, subject, kind, how });
    };
    for network in release.stack.networks.values() {
        let subject = format!("network {}", network.name);
        match observed.networks.get(&network.name) {
            None => say(subject, DriftKind::Missing, "is not there".into()),
            Some(there) => {
                let changes = definition::network(network, there);
                if !changes.is_empty() {
                    say(subject, DriftKind::Definition, format!("is defined otherwise: {}", changes.join(", ")));
                }
            }
        }
    }
    for volume in release.stack.volumes.values() {
        let subject = format!("volume {}", volume.name);
        match observed.volumes.get(&volume.name) {
            None => say(subject, DriftKind::Missing, "is not there".into()),
            Some(there) => {
                let changes = definition::volume(volume, there);
                if !changes.is_empty() {
                    say(subject, DriftKind::Definition, format!("is defined otherwise: {}", changes.join(", ")));
                }
            }
        }
    }
}

fn of_container(container: &ObservedContainer, kind: DriftKind, how: String) -> Drift {
    Drift { component: Some(container.component.clone()), subject: container.name.clone(), kind, how }
}

/// `sha256:0123456789ab`
fn short(image: &str) -> &str {
    let digits = if image.starts_with("sha256:") { 19 } else { 12 };
    image.get(..digits).unwrap_or(image)
}

#[cfg(test)]
mod tests;
