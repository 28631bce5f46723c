//! The fingerprint: a versioned hash of all that makes a component's containers what they are.

use crate::model::{
    Component, ComponentName, ContainerSettings, Fingerprint, ImageIdentity, MountSource, NetworkMode, RepoPath, Stack,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Raised when the same settings are written differently, so that containers of before are compared field by field.
const VERSION: u32 = 1;

/// Only what is written counts: absent keys are absent here too.
#[derive(Serialize)]
struct Written<'a> {
    image: String,
    container: ContainerSettings,
    /// Names on the engine of the networks and volumes that it uses, by key.
    networks: BTreeMap<&'a str, &'a str>,
    volumes: BTreeMap<&'a str, &'a str>,
    /// The fingerprint of the component whose network it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    shares_network_of: Option<String>,
    /// The hash of what `x-launchway.paths` matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<&'a str>,
}

/// The fingerprint of a component with a given image. `paths` is the hash of what its `x-launchway.paths` matches, if
/// it has any; `others` are the fingerprints of components that come before it in the order.
pub fn fingerprint(
    stack: &Stack,
    component: &Component,
    image: &ImageIdentity,
    paths: Option<&str>,
    others: &BTreeMap<ComponentName, Fingerprint>,
) -> Fingerprint {
    let image = match image {
        ImageIdentity::Built { key, anew: None, .. } => key.to_string(),
        ImageIdentity::Built { key, anew: Some(deployment), .. } => format!("{key} anew by {deployment}"),
        ImageIdentity::Pulled { pinned, .. } => pinned.clone(),
    };
    let mut container = component.container.clone();
    for mount in &mut container.mounts {
        // Where the file stands in the repository does not matter, only what is in it.
        if let MountSource::Repository { path, .. } = &mut mount.source {
            *path = RepoPath::root();
        }
    }
    let networks = stack
        .networks
        .iter()
        .filter(|(key, _)| component.container.networks.contains_key(*key))
        .map(|(key, network)| (key.as_str(), network.name.as_str()))
        .collect();
    let used: BTreeSet<&str> = component
        .container
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            MountSource::Volume { key, .. } => Some(key.as_str()),
            _ => None,
        })
        .collect();
    let volumes = stack
        .volumes
        .iter()
        .filter(|(key, _)| used.contains(key.as_str()))
        .map(|(key, volume)| (key.as_str(), volume.name.as_str()))
        .collect();
    let shares_network_of = match &component.container.network_mode {
        NetworkMode::Component(other) => others.get(other).map(|fingerprint| fingerprint.0.clone()),
        _ => None,
    };
    let written = Written { image, container, networks, volumes, shares_network_of, paths };
    // Serialising plain data with text keys cannot fail; were it to, the text of the error would still be stable.
    let text = serde_json::to_string(&written).unwrap_or_else(|error| error.to_string());
    Fingerprint(format!("v{VERSION}:{}", hex::encode(Sha256::digest(text.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentKey, DeploymentId};
    use crate::plan::sample::{Sample, component, stack};

    fn of(sample: Sample, pinned: &str) -> Fingerprint {
        let name = sample.name();
        let stack = stack([sample]);
        let image = ImageIdentity::Pulled { reference: "x".into(), pinned: pinned.into() };
        fingerprint(&stack, &stack.components[&name], &image, None, &BTreeMap::new())
    }

    #[test]
    fn what_does_not_reach_the_container_does_not_count() {
        assert_eq!(of(component("a"), "1"), of(component("a").replicas(3).after("b"), "1"));
    }

    #[test]
    fn what_reaches_the_container_counts() {
        let plain = of(component("a"), "1");
        for other in [
            of(component("a"), "2"),
            of(component("a").env("K", "v"), "1"),
            of(component("a").publishes(80, 80), "1"),
            of(component("a").volume("data", "/data"), "1"),
        ] {
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn the_same_content_built_anew_is_another_image() {
        let stack = stack([component("a")]);
        let of = |anew: Option<i64>| {
            let (key, tag) = (ContentKey::new("c".repeat(64)).unwrap(), "launchway/shop/a:c".into());
            let image = ImageIdentity::Built { key, tag, anew: anew.map(DeploymentId) };
            fingerprint(&stack, &stack.components.values().next().unwrap().clone(), &image, None, &BTreeMap::new())
        };
        assert_eq!(of(Some(7)), of(Some(7)));
        assert_ne!(of(None), of(Some(7)));
        assert_ne!(of(Some(7)), of(Some(8)));
    }

    #[test]
    fn the_fingerprint_of_a_setting_never_changes_by_itself() {
        // A change of this value restarts every container of every user: raise VERSION and see ARCHITECTURE.md.
        insta::assert_snapshot!(of(component("a").env("K", "v").publishes(80, 80), "1"), @"v1:b20b2eaa1db15fb4212c44c619a212def48850f05333211dde52a59f2e3fb028");
    }
}
