//! The fingerprint: a versioned hash of all that makes a component's containers what they are.

use crate::model::{
    Component, ComponentName, ContainerSettings, Fingerprint, ImageIdentity, MountSource, Release, ReleasePart,
    RepoPath, Stack,
};
use crate::plan::order::levels;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Raised when the same settings are written differently: what was written before is then written anew from the stored
/// release and compared (see [`accepted`]), so that an upgrade of Launchway restarts nothing.
const VERSION: u32 = 1;

/// How much a test has raised it, as the next version of Launchway would.
#[cfg(feature = "failpoints")]
pub static RAISED_BY: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn version() -> u32 {
    #[cfg(feature = "failpoints")]
    return VERSION + RAISED_BY.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(feature = "failpoints"))]
    VERSION
}

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
    /// The fingerprint of the component whose processes it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    shares_processes_of: Option<String>,
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
        match &mut mount.source {
            MountSource::Repository { path, .. } => *path = RepoPath::root(),
            // By which way it is reached is no part of what it is.
            MountSource::Host { below, .. } => *below = None,
            _ => {}
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
    let of = |other: &ComponentName| others.get(other).map(|fingerprint| fingerprint.0.clone());
    let shares_network_of = component.container.network_of().and_then(of);
    let shares_processes_of = component.container.processes_of().as_ref().and_then(of);
    let written = Written { image, container, networks, volumes, shares_network_of, shares_processes_of, paths };
    // Serialising plain data with text keys cannot fail; were it to, the text of the error would still be stable.
    let text = serde_json::to_string(&written).unwrap_or_else(|error| error.to_string());
    let version = version();
    // The version counts, so that a test that raises it sees others.
    let text = if version == VERSION { text } else { format!("{version} {text}") };
    Fingerprint(format!("v{version}:{}", hex::encode(Sha256::digest(text.as_bytes()))))
}

/// The fingerprints of a release's parts as they are written today, whichever version of Launchway made it. One is
/// absent where what it is written of is not known any more.
fn today(stack: &Stack, parts: &BTreeMap<ComponentName, ReleasePart>) -> BTreeMap<ComponentName, Fingerprint> {
    let mut today = BTreeMap::new();
    let Ok(order) = levels(stack) else { return today };
    for name in order.into_iter().flatten() {
        let (Some(component), Some(part)) = (stack.components.get(&name), parts.get(&name)) else { continue };
        let paths = part.paths.as_deref();
        if component.settings.paths.is_empty() || paths.is_some() {
            let fingerprint = fingerprint(stack, component, &part.image, paths, &today);
            today.insert(name, fingerprint);
        }
    }
    today
}

/// The fingerprint of each of a release's parts as this version writes it, so that what earlier versions wrote can be
/// compared with it; as it was written where that cannot be told any more.
pub fn as_of_today(release: &Release) -> BTreeMap<ComponentName, Fingerprint> {
    let written = release.parts.iter().map(|(name, part)| (name.clone(), part.fingerprint.clone()));
    let mut fingerprints: BTreeMap<_, _> = written.collect();
    if is_of_another_version(&release.parts) {
        fingerprints.extend(today(&release.stack, &release.parts));
    }
    fingerprints
}

fn is_of_another_version(parts: &BTreeMap<ComponentName, ReleasePart>) -> bool {
    let own = format!("v{}:", version());
    parts.values().any(|part| !part.fingerprint.0.starts_with(&own))
}

/// Components of which another release says what this one says, though it may be written in another way.
pub fn same(other: &Release, stack: &Stack, parts: &BTreeMap<ComponentName, ReleasePart>) -> BTreeSet<ComponentName> {
    let is_written_the_same = |name: &ComponentName, part: &ReleasePart| {
        other.parts.get(name).is_some_and(|o| o.fingerprint == part.fingerprint)
    };
    let (mut same, mut differ): (BTreeSet<_>, BTreeSet<_>) =
        parts.keys().cloned().partition(|name| is_written_the_same(name, &parts[name]));
    if is_of_another_version(parts) || is_of_another_version(&other.parts) {
        let (now, then) = (today(stack, parts), today(&other.stack, &other.parts));
        differ.retain(|name| now.contains_key(name) && now.get(name) == then.get(name));
        same.extend(differ);
    }
    same
}

/// Notes in the parts of a new release how earlier versions of Launchway wrote the same, by what is live.
pub fn carry_over(live: &Release, stack: &Stack, parts: &mut BTreeMap<ComponentName, ReleasePart>) {
    for name in same(live, stack, parts) {
        let (Some(part), Some(before)) = (parts.get_mut(&name), live.parts.get(&name)) else { continue };
        part.also.extend(before.also.iter().chain([&before.fingerprint]).cloned());
        part.also.remove(&part.fingerprint);
    }
}

/// Fingerprints on containers which another version of Launchway wrote, or may have written, of the same that
/// `release` says: by the release itself, and by what was live before it.
pub fn accepted(previous: Option<&Release>, release: &Release) -> BTreeMap<ComponentName, BTreeSet<Fingerprint>> {
    let mut accepted: BTreeMap<ComponentName, BTreeSet<Fingerprint>> = BTreeMap::new();
    let mut add = |name: &ComponentName, more: &mut dyn Iterator<Item = &Fingerprint>| {
        let own = release.parts.get(name).map(|part| &part.fingerprint);
        let more: BTreeSet<Fingerprint> = more.filter(|fingerprint| Some(*fingerprint) != own).cloned().collect();
        if !more.is_empty() {
            accepted.entry(name.clone()).or_default().extend(more);
        }
    };
    for (name, part) in &release.parts {
        add(name, &mut part.also.iter());
    }
    if is_of_another_version(&release.parts) {
        for (name, now) in today(&release.stack, &release.parts) {
            add(&name, &mut [&now].into_iter());
        }
    }
    if let Some(previous) = previous {
        for name in same(previous, &release.stack, &release.parts) {
            let before = &previous.parts[&name];
            add(&name, &mut before.also.iter().chain([&before.fingerprint]));
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommitId, ContentKey, DeploymentId, EnvironmentName, ProjectName, ReleaseId};
    use crate::plan::sample::{Sample, component, stack};

    fn pulled() -> ImageIdentity {
        ImageIdentity::Pulled { reference: "x".into(), pinned: "1".into() }
    }

    /// A release as this version makes it after `live`, with `web` that has `x-launchway.paths` and this hash of them.
    fn release(id: i64, paths: &str, live: Option<&Release>) -> Release {
        let mut stack = stack([component("api").env("K", "v"), component("web")]);
        for component in stack.components.values_mut().filter(|component| component.name.as_str() == "web") {
            component.settings.paths = vec!["docs".into()];
        }
        let mut parts = BTreeMap::new();
        for (name, component) in &stack.components {
            let paths = (!component.settings.paths.is_empty()).then(|| paths.to_string());
            let fingerprint = fingerprint(&stack, component, &pulled(), paths.as_deref(), &BTreeMap::new());
            parts.insert(name.clone(), ReleasePart::new(pulled(), fingerprint, paths));
        }
        if let Some(live) = live {
            carry_over(live, &stack, &mut parts);
        }
        let project = ProjectName::new("shop").unwrap();
        let environment = EnvironmentName::new("production").unwrap();
        Release {
            id: ReleaseId(id),
            project,
            environment,
            commit: CommitId::new("a".repeat(40)).unwrap(),
            stack,
            parts,
        }
    }

    /// The same as an earlier version of Launchway made it.
    fn earlier(id: i64, paths: &str) -> Release {
        let mut release = release(id, paths, None);
        for (name, part) in &mut release.parts {
            part.fingerprint = Fingerprint(format!("v0:{name}-{paths}"));
        }
        release
    }

    fn names(found: impl IntoIterator<Item = ComponentName>) -> Vec<String> {
        found.into_iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn what_an_earlier_version_wrote_is_the_same_for_as_long_as_it_is() {
        let before = earlier(1, "one");
        let second = release(2, "one", Some(&before));
        assert_eq!(names(same(&before, &second.stack, &second.parts)), ["api", "web"]);
        // What runs carries the first one's fingerprints, and a push later `before` is not asked any more.
        let third = release(3, "one", Some(&second));
        for (previous, release) in [(Some(&before), &second), (Some(&second), &third), (None, &third)] {
            for (name, found) in accepted(previous, release) {
                assert!(found.contains(&before.parts[&name].fingerprint), "{name}: {found:?}");
            }
            assert_eq!(accepted(previous, release).len(), 2);
        }
        // What was put live by this version is what the earlier release says too.
        let back = accepted(Some(&third), &before);
        assert!(back.iter().all(|(name, found)| found.contains(&third.parts[name].fingerprint)), "{back:?}");
        assert_eq!(back.len(), 2);
        // Put live again, it goes on knowing that without the release that was live in between.
        let mut again = before.clone();
        carry_over(&third, &before.stack, &mut again.parts);
        assert_eq!(
            accepted(None, &again).values().next().unwrap(),
            accepted(Some(&third), &before).values().next().unwrap()
        );
        for (name, part) in &again.parts {
            assert!(part.also.contains(&third.parts[name].fingerprint), "{part:?}");
        }
    }

    #[test]
    fn what_changed_with_the_version_is_changed() {
        let before = earlier(1, "one");
        let second = release(2, "two", Some(&before));
        assert_eq!(names(same(&before, &second.stack, &second.parts)), ["api"]);
        assert_eq!(names(accepted(Some(&before), &second).into_keys()), ["api"]);
        // Of what no version noted the paths of, nobody can say that it is the same.
        let mut unknown = before;
        for part in unknown.parts.values_mut() {
            part.paths = None;
        }
        assert_eq!(names(same(&unknown, &second.stack, &second.parts)), ["api"]);
    }

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
