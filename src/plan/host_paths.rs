//! What lies below a folder of the host that containers may write to. A bind mount of it would follow a symbolic link that
//! one of them has put there, wherever it leads: the engine resolves it anew, as root, whenever the container starts. So the
//! folder becomes a volume, of which the engine mounts a subpath: that never leaves the volume.

use super::VolumeSpec;
use crate::model::{Component, MountSource, Release, Volume, label, own_names};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The volumes that stand for folders of the host above what a component mounts.
pub fn volumes(release: &Release, component: &Component) -> Vec<VolumeSpec> {
    let mounts = component.container.mounts.iter();
    let folders: BTreeSet<&str> = mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Host { below, .. } => below.as_deref(),
            _ => None,
        })
        .collect();
    folders.into_iter().map(|folder| volume(release, folder)).collect()
}

fn volume(release: &Release, folder: &str) -> VolumeSpec {
    // What is mounted below the folder on the host is there, too, as with a bind mount.
    let options = [("type", "none"), ("o", "rbind"), ("device", folder)];
    let volume = Volume {
        name: name(release, folder),
        external: false,
        driver: Some("local".into()),
        driver_opts: options.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        labels: BTreeMap::new(),
        place: None,
    };
    let labels = BTreeMap::from([
        (label::PROJECT.to_string(), release.project.to_string()),
        (label::ENVIRONMENT.to_string(), release.environment.to_string()),
    ]);
    VolumeSpec { volume, labels }
}

/// One for each environment: a volume belongs to one.
pub fn name(release: &Release, folder: &str) -> String {
    let text = format!("{}/{}:{folder}", release.project, release.environment);
    format!("{}{}", own_names::PATH_VOLUME, &hex::encode(Sha256::digest(text))[..40])
}
