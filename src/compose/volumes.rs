//! Top-level `volumes`, as far as components use them.

use super::names::{self, Named};
use super::networks::external;
use super::read::ReadRequest;
use super::service::labels;
use super::view::View;
use super::volume_driver;
use crate::model::{Component, ComponentName, MountSource, Volume};
use std::collections::{BTreeMap, BTreeSet};

/// The volumes by key; one that no component mounts is left out, as Compose leaves it out.
pub fn read(
    request: &ReadRequest<'_>,
    file: &View<'_>,
    components: &BTreeMap<ComponentName, Component>,
) -> BTreeMap<String, Volume> {
    let mounts = components.values().flat_map(|component| &component.container.mounts);
    let used: BTreeSet<&str> = mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Volume { key, .. } => Some(key.as_str()),
            _ => None,
        })
        .collect();
    let mut volumes = BTreeMap::new();
    for (key, view) in file.get("volumes").map(|section| section.entries()).unwrap_or_default() {
        let volume = volume(request, key, &view);
        if used.contains(key) {
            volumes.insert(key.to_string(), volume);
        }
    }
    volumes
}

fn volume(request: &ReadRequest<'_>, key: &str, view: &View<'_>) -> Volume {
    let mut volume = Volume {
        name: format!("{}_{key}", request.compose_project),
        external: false,
        driver: None,
        driver_opts: BTreeMap::new(),
        labels: BTreeMap::new(),
        place: Some(view.key_place()),
    };
    if view.node.is_null() || !view.only(&["name", "driver", "driver_opts", "external", "labels"]) {
        return volume;
    }
    let (is_external, external_name) = external(view);
    if is_external {
        volume.external = true;
        volume.name = key.to_string();
        for (other, value) in view.entries() {
            if !["name", "external"].contains(&other) && !other.starts_with("x-") {
                value.error("has no effect: the volume is external, so somebody else made it");
            }
        }
    }
    if let Some(name) = view.get("name").and_then(|v| v.text()).filter(|name| !name.is_empty()).or(external_name) {
        volume.name = name;
    }
    volume.driver = view.get("driver").and_then(|v| v.text());
    volume.driver_opts = view.get("driver_opts").map(|v| v.text_map()).unwrap_or_default();
    volume.labels = labels(view);
    let at = view.get("name").unwrap_or(view.clone());
    names::check(&at, Named::Volume, &volume.name, &request.compose_project);
    volume_driver::check(request, view, &volume);
    volume
}
