//! What a deployment takes over of a stack that Docker Compose started by hand, for people to read before it happens.

use super::unnamed::Unnamed;
use crate::model::{MountSource, Observed, ObservedContainer, Release, label};
use std::collections::{BTreeMap, BTreeSet};

/// A sentence for each container, volume and network of the release that Compose made and that is used from now on;
/// empty where nothing runs that Compose started.
pub fn taken_over(release: &Release, observed: &Observed, unnamed: &Unnamed) -> Vec<String> {
    let components = &release.stack.components;
    let by_hand: Vec<&ObservedContainer> =
        observed.containers.iter().filter(|c| c.release.is_none() && c.fingerprint.is_none()).collect();
    if by_hand.is_empty() {
        return Vec::new();
    }
    let mut told: Vec<String> = by_hand.iter().map(|container| of_container(release, container, unnamed)).collect();
    let is_composes = |labels: &BTreeMap<String, String>| {
        labels.contains_key(label::COMPOSE_PROJECT) && !labels.contains_key(label::PROJECT)
    };
    let mounts = components.values().flat_map(|component| &component.container.mounts);
    let keys: BTreeSet<&String> = mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Volume { key, .. } => Some(key),
            _ => None,
        })
        .collect();
    for volume in keys.into_iter().filter_map(|key| release.stack.volumes.get(key)) {
        if observed.volumes.get(&volume.name).is_some_and(|found| is_composes(&found.labels)) {
            told.push(format!("volume {}, which Compose made, stays as it is with its data", volume.name));
        }
    }
    for network in release.stack.networks.values() {
        if observed.networks.get(&network.name).is_some_and(|found| is_composes(&found.labels)) {
            told.push(format!("network {}, which Compose made, stays as it is", network.name));
        }
    }
    told
}

fn of_container(release: &Release, container: &ObservedContainer, unnamed: &Unnamed) -> String {
    let name = &container.name;
    let targets = |all: Vec<&String>| all.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let gone = |why: String| {
        let left = match container.anonymous_volumes.is_empty() {
            true => String::new(),
            false => format!(
                "; its unnamed volumes at {} stay, unused",
                targets(container.anonymous_volumes.keys().collect())
            ),
        };
        format!("{name}, which Compose started, is removed: {why}{left}")
    };
    let Some(component) = release.stack.components.get(&container.component) else {
        return gone(format!("the Compose file has no {} any more", container.component));
    };
    if container.replica > component.replicas {
        return gone(format!("the Compose file asks for {} of {}", component.replicas, component.name));
    }
    let mut told = format!("{name}, which Compose started, is replaced once by a container of Launchway's");
    let (handed_on, left): (Vec<&String>, Vec<&String>) =
        container.anonymous_volumes.keys().partition(|path| unnamed.is_declared(component, path));
    if !handed_on.is_empty() {
        told.push_str(&format!(", which gets its unnamed volumes at {}", targets(handed_on)));
    }
    if !left.is_empty() {
        let is_mounted = |path: &&String| component.container.mounts.iter().any(|mount| mount.target == **path);
        let (other, gone): (Vec<&String>, Vec<&String>) = left.into_iter().partition(is_mounted);
        for (paths, why) in [
            (other, "the Compose file mounts something else there"),
            (gone, "neither the Compose file nor the image declares them any more"),
        ] {
            if !paths.is_empty() {
                told.push_str(&format!("; its unnamed volumes at {} stay, unused: {why}", targets(paths)));
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObservedVolume;
    use crate::plan::sample::{component, stack};
    use crate::plan::standing::tests::{live, release};

    fn by_compose() -> BTreeMap<String, String> {
        BTreeMap::from([(label::COMPOSE_PROJECT.to_string(), "shop".to_string())])
    }

    #[test]
    fn what_compose_made_is_told_once() {
        let file = || stack([component("db").volume("data", "/data"), component("web")]);
        let before = release(stack([component("db").volume("data", "/data"), component("web"), component("old")]));
        let mut engine = live(&before);
        let unnamed = Unnamed::default();
        let volume = ObservedVolume { labels: by_compose(), ..engine.observed.volumes["shop_data"].clone() };
        engine.observed.volumes.insert("shop_data".into(), volume);
        assert_eq!(taken_over(&release(file()), &engine.observed, &unnamed), Vec::<String>::new());

        for container in &mut engine.observed.containers {
            (container.fingerprint, container.release, container.deployment) = (None, None, None);
        }
        for (index, target) in [(0, "/cache"), (0, "/data"), (1, "/lost")] {
            engine.observed.containers[index].anonymous_volumes.insert(target.into(), "f00".into());
        }
        let mut third = engine.observed.containers[2].clone();
        (third.name, third.replica) = ("shop-web-3".into(), 3);
        engine.observed.containers.push(third);
        insta::assert_snapshot!(taken_over(&release(file()), &engine.observed, &unnamed).join("\n"), @"
        shop-db-1, which Compose started, is replaced once by a container of Launchway's, which gets its unnamed volumes at /cache; its unnamed volumes at /data stay, unused: the Compose file mounts something else there
        shop-old-1, which Compose started, is removed: the Compose file has no old any more; its unnamed volumes at /lost stay, unused
        shop-web-1, which Compose started, is replaced once by a container of Launchway's
        shop-web-3, which Compose started, is removed: the Compose file asks for 1 of web
        volume shop_data, which Compose made, stays as it is with its data
        ");
    }
}
