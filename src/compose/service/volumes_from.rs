//! `volumes_from`: a service mounts what another one mounts, under the same paths.

use super::component::Context;
use super::mounts::add_mount_points;
use crate::compose::suggest;
use crate::compose::view::View;
use crate::model::{Component, ComponentName, Mount, MountSource, Quoted};
use std::collections::{BTreeMap, BTreeSet};

/// An item: whose mounts, and whether only to be read.
struct Item<'v> {
    view: View<'v>,
    /// `container:NAME` in place of a service's name.
    is_container: bool,
    name: String,
    read_only: bool,
}

fn items<'v>(service: &View<'v>) -> Vec<Item<'v>> {
    let item = |view: View<'v>| {
        let text = view.text()?;
        let (is_container, rest) = match text.strip_prefix("container:") {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
        if !["ro", "rw"].contains(&mode) {
            view.error(format!("{:?} is not one of ro, rw", Quoted(mode)));
        }
        Some(Item { is_container, name: name.to_string(), read_only: mode == "ro", view })
    };
    service.get("volumes_from").map(|v| v.items()).unwrap_or_default().into_iter().filter_map(item).collect()
}

/// The services of the file that `volumes_from` names.
pub fn services(context: &Context<'_>, service: &View<'_>) -> Vec<ComponentName> {
    let named =
        items(service).into_iter().filter(|item| !item.is_container && context.active.contains(item.name.as_str()));
    named.filter_map(|item| ComponentName::new(item.name).ok()).collect()
}

/// Gives each component what it mounts of others. Its own mount at a path stands.
pub fn add(context: &Context<'_>, section: &View<'_>, components: &mut BTreeMap<ComponentName, Component>) {
    let mut done = BTreeSet::new();
    for name in components.keys().cloned().collect::<Vec<_>>() {
        add_to(&name, context, section, components, &mut done);
    }
}

/// After those that it takes from. Circles end here, and are reported as those of `depends_on`.
fn add_to(
    name: &ComponentName,
    context: &Context<'_>,
    section: &View<'_>,
    components: &mut BTreeMap<ComponentName, Component>,
    done: &mut BTreeSet<ComponentName>,
) {
    if !done.insert(name.clone()) {
        return;
    }
    let Some(service) = section.get(name.as_str()) else { return };
    let mut more: Vec<Mount> = Vec::new();
    for item in items(&service) {
        let Some(owner) = owner(&item, context, components) else { continue };
        add_to(&owner, context, section, components, done);
        let mounts = components.get(&owner).map(|owner| owner.container.mounts.as_slice()).unwrap_or_default();
        more.extend(mounts.iter().filter_map(|mount| shared(mount, &item, &owner)));
    }
    let Some(component) = components.get_mut(name).filter(|_| !more.is_empty()) else { return };
    let mounts = &mut component.container.mounts;
    for mount in more {
        if mounts.iter().all(|own| own.target != mount.target) {
            mounts.push(mount);
        }
    }
    add_mount_points(context, mounts);
}

/// The component whose mounts are meant.
fn owner(
    item: &Item<'_>,
    context: &Context<'_>,
    components: &BTreeMap<ComponentName, Component>,
) -> Option<ComponentName> {
    if item.is_container {
        let project = &context.request.compose_project;
        let is_it = |component: &&Component| match &component.container.container_name {
            Some(own) => *own == item.name,
            None => item.name == format!("{project}-{}-1", component.name),
        };
        let own = components.values().find(is_it).map(|component| component.name.clone());
        if own.is_none() {
            item.view.error(format!(
                "container {:?} is none of this file's, and what containers of others mount is not supported; declare the volume \
                 under top-level `volumes` with `external: true`, which `allow.external` allows by its name",
                Quoted(&item.name)
            ));
        }
        return own;
    }
    if !context.active.contains(item.name.as_str()) {
        let hint = suggest::hint(&item.name, context.active.iter().copied());
        item.view.error(format!("there is no service {:?} to take volumes from{hint}", Quoted(&item.name)));
        return None;
    }
    ComponentName::new(item.name.as_str()).ok()
}

/// What of another component's mount is shared. What is in memory is its own, as with the engine's own `--volumes-from`.
fn shared(mount: &Mount, item: &Item<'_>, owner: &ComponentName) -> Option<Mount> {
    match &mount.source {
        MountSource::Tmpfs { .. } => None,
        MountSource::Anonymous => {
            item.view.error(format!(
                "{owner} has a volume without a name at {}, and taking that one over is not supported; declare it under top-level \
                 `volumes`, and mount it in {owner} by its name",
                mount.target
            ));
            None
        }
        _ => Some(Mount { read_only: mount.read_only || item.read_only, ..mount.clone() }),
    }
}
