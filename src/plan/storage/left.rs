//! Volumes of an environment that no live release names: what was written there is nobody's any more, and nothing removes it.

use crate::model::{EnvironmentName, Observed, ObservedVolume, ProjectName, label, own_names};
use std::collections::{BTreeMap, BTreeSet};

/// A volume that the store knows to have been left, and where it was: `db at /data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub volume: String,
    pub was: String,
}

/// A volume that nothing names any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftVolume {
    pub name: String,
    /// Where it was, as far as that is known: `db at /data`.
    pub was: Vec<String>,
}

/// By their names. `named`: the volumes that live releases name, those of all environments, and of what is put live.
/// `lost`: what the store has noted of the environment.
pub fn left(
    (project, environment, compose_project): (&ProjectName, &EnvironmentName, &str),
    named: &BTreeSet<String>,
    lost: &[Lost],
    observed: &Observed,
) -> Vec<LeftVolume> {
    let is_its = |volume: &ObservedVolume| {
        let is = |key: &str, value: &str| volume.labels.get(key).is_some_and(|found| found == value);
        match volume.labels.contains_key(label::PROJECT) {
            true => is(label::PROJECT, project.as_str()) && is(label::ENVIRONMENT, environment.as_str()),
            false => is(label::COMPOSE_PROJECT, compose_project),
        }
    };
    // What an unnamed volume is, only its container knows.
    let in_use: BTreeSet<&String> =
        observed.containers.iter().flat_map(|container| container.anonymous_volumes.values()).collect();
    let mut was: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for Lost { volume, was: place } in lost {
        was.entry(volume).or_default().push(place.clone());
    }
    let is_left = |name: &String, volume: &ObservedVolume| {
        let holds_no_data = volume.labels.contains_key(label::CONTENT) || name.starts_with(own_names::PATH_VOLUME);
        !holds_no_data
            && volume.another.is_none()
            && (is_its(volume) || was.contains_key(name))
            && !named.contains(name)
            && !in_use.contains(name)
    };
    let volumes = observed.volumes.iter().filter(|(name, volume)| is_left(name, volume));
    let left = volumes.map(|(name, _)| {
        let mut was = was.get(name).cloned().unwrap_or_default();
        was.sort();
        was.dedup();
        LeftVolume { name: name.clone(), was }
    });
    left.collect()
}
