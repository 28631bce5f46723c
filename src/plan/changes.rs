//! Which components would change between what is live and a new release, and why.

use super::fingerprint::same;
use super::method::{self, MethodChoice};
use super::relations::Relations;
use crate::model::{
    Component, ComponentName, ContainerSettings, ImageIdentity, MountSource, Quoted, Release, ReleasePart, RepoPath,
    RouteEntry, Stack, Sticky, Tree, follow,
};
use std::collections::BTreeMap;

/// How a component differs from what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    New,
    Changed,
    /// Its containers stay as they are; there are more or fewer of them, or they are reached another way.
    Adjusted,
    Unchanged,
    /// The Compose file no longer has it.
    Removed,
}

impl ChangeKind {
    /// The word in plans and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            ChangeKind::New => "new",
            ChangeKind::Changed | ChangeKind::Adjusted => "changed",
            ChangeKind::Unchanged => "unchanged",
            ChangeKind::Removed => "removed",
        }
    }
}

/// What happens to one component, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentChange {
    pub component: ComponentName,
    pub kind: ChangeKind,
    /// Parts of a sentence: `its context api changed`, `environment LOG_LEVEL changed`. Empty when unchanged.
    pub reasons: Vec<String>,
    /// Absent for what is removed.
    pub method: Option<MethodChoice>,
    /// The component whose build is its image.
    pub builder: Option<ComponentName>,
}

/// What a new release is made of.
pub struct Candidate<'a> {
    pub stack: &'a Stack,
    pub parts: &'a BTreeMap<ComponentName, ReleasePart>,
    pub tree: Option<&'a dyn Tree>,
}

/// Compares a new release with the live one (and, where it is at hand, the live commit's tree), in the order of names;
/// what is removed comes last.
pub fn changes(live: Option<(&Release, Option<&dyn Tree>)>, new: &Candidate) -> Vec<ComponentChange> {
    let same = live.map(|(release, _)| same(release, new.stack, new.parts)).unwrap_or_default();
    let mut found: Vec<ComponentChange> = Vec::new();
    let relations = Relations::of(new.stack);
    for (name, component) in &new.stack.components {
        let method = Some(method::choose_in(&relations, component));
        let builder = component.builder.clone();
        let before = live.and_then(|(release, tree)| {
            Some((release.stack.components.get(name)?, release.parts.get(name)?, &release.stack, tree))
        });
        let Some((old, old_part, old_stack, old_tree)) = before else {
            let kind = ChangeKind::New;
            let (component, reasons) = (name.clone(), vec!["it is new".into()]);
            found.push(ComponentChange { component, kind, reasons, method, builder });
            continue;
        };
        let mut reasons = Vec::new();
        if !same.contains(name) {
            if let Some(part) = new.parts.get(name) {
                let before = live.map(|(release, _)| &release.parts);
                let is_another =
                    |base: &ComponentName| before.is_some_and(|parts| image(parts, base) != image(new.parts, base));
                let builds = component.waits_for_builds_of().into_iter().filter(is_another).collect();
                image_reasons((old, old_part, old_tree), (component, part, new.tree), builds, &mut reasons);
            }
            settings_reasons(&old.container, &component.container, &mut reasons);
            names_reasons(old_stack, new.stack, component, &mut reasons);
            if reasons.is_empty() {
                reasons.push("what x-launchway.paths names changed".into());
            }
        }
        let adjusted = adjustments(old, component);
        let kind = match (reasons.is_empty(), adjusted.is_empty()) {
            (false, _) => ChangeKind::Changed,
            (true, false) => ChangeKind::Adjusted,
            (true, true) => ChangeKind::Unchanged,
        };
        reasons.extend(adjusted);
        found.push(ComponentChange { component: name.clone(), kind, reasons, method, builder });
    }
    if let Some((release, _)) = live {
        for name in release.stack.components.keys().filter(|name| !new.stack.components.contains_key(*name)) {
            found.push(ComponentChange {
                component: name.clone(),
                kind: ChangeKind::Removed,
                reasons: vec!["the Compose file no longer has it; its volumes stay".into()],
                method: None,
                builder: None,
            });
        }
    }
    found
}

/// What is another without any container being replaced for it.
fn adjustments(old: &Component, new: &Component) -> Vec<String> {
    let mut found = Vec::new();
    if old.replicas != new.replicas {
        found.push(format!("replicas changed from {} to {}", old.replicas, new.replicas));
    }
    if ways_in(old) != ways_in(new) {
        found.push("the ways in to it are others".to_string());
    }
    found
}

/// How a component is reached: the edge and the fronts are told so when its release goes live.
pub(super) fn ways_in(component: &Component) -> (&[RouteEntry], Option<&Sticky>) {
    let canary = component.settings.canary.as_ref();
    (&component.entries, canary.and_then(|canary| canary.sticky.as_ref()))
}

type Side<'a> = (&'a Component, &'a ReleasePart, Option<&'a dyn Tree>);

fn image<'a>(parts: &'a BTreeMap<ComponentName, ReleasePart>, name: &ComponentName) -> Option<&'a ImageIdentity> {
    parts.get(name).map(|part| &part.image)
}

/// `builds`: other components' builds that it uses or is built from, and that are not what they were.
fn image_reasons(old: Side, new: Side, builds: Vec<ComponentName>, reasons: &mut Vec<String>) {
    match (&old.1.image, &new.1.image) {
        (a, b) if a == b => {}
        (ImageIdentity::Built { key: a, anew: old, .. }, ImageIdentity::Built { key: b, anew: new, .. }) if a == b => {
            match new > old {
                true => reasons.push("the same content is built anew, on base images as they are now".into()),
                false if new < old => reasons.push("it goes back to an earlier build of the same content".into()),
                false => {}
            }
        }
        (ImageIdentity::Built { .. }, ImageIdentity::Built { .. }) => {
            let before = reasons.len();
            build_reasons(old, new, reasons);
            let how = if new.0.builder.is_some() { "its image, changed" } else { "which it is built from, changed" };
            reasons.extend(builds.iter().map(|builder| format!("the build of {builder}, {how}")));
            if reasons.len() == before {
                reasons.push("what it is built from changed".into());
            }
        }
        (ImageIdentity::Pulled { reference: a, pinned: old }, ImageIdentity::Pulled { reference: b, pinned: new }) => {
            reasons.push(match a == b {
                true => format!("image {} is now {}, was {}", Quoted(a), Quoted(new), Quoted(old)),
                false => format!("image changed from {} to {}", Quoted(a), Quoted(b)),
            });
        }
        (ImageIdentity::Pulled { reference, .. }, ImageIdentity::Built { .. }) => {
            let reference = Quoted(reference);
            reasons.push(match &new.0.builder {
                Some(builder) => format!("its image is the build of {builder} now, was image {reference}"),
                None => format!("it is built now, was image {reference}"),
            });
        }
        (ImageIdentity::Built { .. }, ImageIdentity::Pulled { reference, .. }) => {
            reasons.push(format!("it is image {} now, was built", Quoted(reference)));
        }
    }
}

fn build_reasons((old, _, old_tree): Side, (new, _, new_tree): Side, reasons: &mut Vec<String>) {
    let (Some(old), Some(new)) = (&old.build, &new.build) else { return };
    let id = |tree: Option<&dyn Tree>, path: &RepoPath| {
        tree.and_then(|tree| follow(tree, path).ok().flatten()).map(|e| e.id)
    };
    if let (Some(old_tree), Some(new_tree)) = (old_tree, new_tree) {
        let differs = |a: &RepoPath, b: &RepoPath| id(Some(old_tree), a) != id(Some(new_tree), b);
        if differs(&old.dockerfile, &new.dockerfile) && new.dockerfile_inline.is_none() {
            reasons.push(format!("{} changed", new.dockerfile));
        } else if differs(&old.context, &new.context) {
            reasons.push(format!("its context {} changed", new.context));
        }
    }
    if old.context != new.context {
        reasons.push(format!("build.context moved from {} to {}", old.context, new.context));
    }
    map_reasons("build.args", &old.args, &new.args, reasons);
    let parts: [(&str, bool); 6] = [
        ("build.target", old.target == new.target),
        ("build.dockerfile_inline", old.dockerfile_inline == new.dockerfile_inline),
        ("build.labels", old.labels == new.labels),
        ("build.platform", old.platform == new.platform),
        ("build.additional_contexts", old.additional_contexts == new.additional_contexts),
        ("build.network", old.network == new.network),
    ];
    reasons.extend(parts.iter().filter(|(_, same)| !same).map(|(key, _)| format!("{key} changed")));
}

fn settings_reasons(old: &ContainerSettings, new: &ContainerSettings, reasons: &mut Vec<String>) {
    map_reasons("environment", &old.environment, &new.environment, reasons);
    for name in new.unset_environment.difference(&old.unset_environment) {
        reasons.push(format!("environment {name} has no value, so it is unset, also where the image sets it"));
    }
    for name in old.unset_environment.difference(&new.unset_environment) {
        reasons.push(format!("environment {name} is not unset any more"));
    }
    map_reasons("labels", &old.labels, &new.labels, reasons);
    for mount in &new.mounts {
        let before = old.mounts.iter().find(|before| before.target == mount.target);
        match (before.map(|mount| &mount.source), &mount.source) {
            (None, _) => reasons.push(format!("a mount at {} is new", mount.target)),
            (Some(MountSource::Repository { id: a, .. }), MountSource::Repository { id: b, path, .. }) if a != b => {
                reasons.push(format!("{path}, which it mounts, changed"));
            }
            (Some(MountSource::Text { text: a, .. }), MountSource::Text { text: b, .. })
                if a != b && a.expose() == b.expose().trim_end_matches(['\n', '\r']) =>
            {
                reasons.push(format!(
                    "the file at {} ends in the line break that its file on the server has",
                    mount.target
                ));
            }
            (Some(a), b) if a != b => reasons.push(format!("the mount at {} changed", mount.target)),
            _ => {}
        }
    }
    for mount in old.mounts.iter().filter(|old| !new.mounts.iter().any(|mount| mount.target == old.target)) {
        reasons.push(format!("the mount at {} is gone", mount.target));
    }
    // All other keys, by their name in the serialised form.
    let as_object = |settings: &ContainerSettings| match serde_json::to_value(settings) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => Default::default(),
    };
    let (old, new) = (as_object(old), as_object(new));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in
        keys.into_iter().filter(|key| !["environment", "unset_environment", "labels", "mounts"].contains(&key.as_str()))
    {
        if old.get(key) != new.get(key) {
            reasons.push(format!("{key} changed"));
        }
    }
}

fn names_reasons(old: &Stack, new: &Stack, component: &Component, reasons: &mut Vec<String>) {
    for key in component.container.networks.keys() {
        let name = |stack: &Stack| stack.networks.get(key).map(|network| network.name.clone());
        if name(old) != name(new) {
            reasons.push(format!("network {key} has another name"));
        }
    }
    for mount in &component.container.mounts {
        let MountSource::Volume { key, .. } = &mount.source else { continue };
        let name = |stack: &Stack| stack.volumes.get(key).map(|volume| volume.name.clone());
        if name(old) != name(new) {
            reasons.push(format!("volume {key} has another name"));
        }
    }
}

/// Names the keys that changed, never their values: they may be secret.
fn map_reasons(what: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>, reasons: &mut Vec<String>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        match (old.get(key), new.get(key)) {
            (None, Some(_)) => reasons.push(format!("{what} {key} is new")),
            (Some(_), None) => reasons.push(format!("{what} {key} is gone")),
            (a, b) if a != b => reasons.push(format!("{what} {key} changed")),
            _ => {}
        }
    }
}
