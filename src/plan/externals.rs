//! Volumes and networks that a release takes and did not make: whose they are, and whether launchway.toml allows it.

use super::grants::{Grantee, Grants};
use super::routing::EDGE_NETWORK;
use crate::model::{AnotherStore, MountSource, Network, Observed, Place, Problem, Release, Volume, label, own_names};
use std::collections::{BTreeMap, BTreeSet};

/// What this release takes and may not. `observed` is the engine as it is; `kept` are volumes that the environment had
/// before ([`kept`]) and that its own labels do not name.
pub fn refused(release: &Release, observed: &Observed, grants: &Grants, kept: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, volume) in &release.stack.volumes {
        let found = observed.volumes.get(&volume.name).map(|found| (&found.labels, found.another.as_ref()));
        let is_own = observed.own_volumes.contains(&volume.name);
        let is_kept = kept.contains(&volume.name) && !is_own && !own_names::is_own(&volume.name);
        if is_kept && found.is_some_and(|(labels, another)| is_nobodys_else(labels, another)) {
            continue;
        }
        let shared =
            Shared { kind: "volume", key, name: &volume.name, external: volume.external, place: &volume.place };
        problems.extend(shared.refused(release, found, is_own, grants, || writer(release, key)));
    }
    for (key, network) in &release.stack.networks {
        let found = observed.networks.get(&network.name).map(|found| (&found.labels, found.another.as_ref()));
        let is_own = observed.own_networks.contains(&network.name);
        let Network { name, external, place, .. } = network;
        let shared = Shared { kind: "network", key, name, external: *external, place };
        problems.extend(shared.refused(release, found, is_own, grants, || None));
    }
    for component in release.stack.components.values() {
        let Some(name) = &component.container.container_name else { continue };
        if let Some(other) = owner_of_prefix(name, release, grants) {
            let message = format!(
                "{name} is a name of {}/{}, whose containers begin with {}-: two environments must not meet. Choose another `container_name`.",
                other.project, other.environment, other.compose_project
            );
            let key = format!("services.{}.container_name", component.name);
            problems.push(Problem::error(Some(component.place.clone()), key, message));
        }
    }
    problems
}

/// Volumes of the release that were the environment's own under the Compose project that it had before, though nothing on them
/// says so.
pub fn kept(release: &Release, live: &Release, observed: &Observed, grants: &Grants) -> BTreeSet<String> {
    let is_others = |project: &str| {
        grants.all.iter().any(|other| {
            (&other.project, &other.environment) != (&release.project, &release.environment)
                && other.compose_project == project
        })
    };
    if is_others(&live.stack.compose_project) {
        return BTreeSet::new();
    }
    let was_its_own = |volume: &Volume, labels: &BTreeMap<String, String>| {
        let named = live.stack.volumes.iter().find(|(_, held)| held.name == volume.name && !held.external);
        let is_usual = |key: &String| volume.name == format!("{}_{key}", live.stack.compose_project);
        named.is_some_and(|(key, _)| belongs(labels, live) || is_usual(key) && !is_labelled(labels))
    };
    let volumes = release.stack.volumes.values().filter(|volume| !volume.external);
    let kept = volumes.filter(|volume| {
        let Some(found) = observed.volumes.get(&volume.name) else { return false };
        is_nobodys_else(&found.labels, found.another.as_ref()) && was_its_own(volume, &found.labels)
    });
    kept.map(|volume| volume.name.clone()).collect()
}

/// No Launchway says that it made it for anybody.
fn is_nobodys_else(labels: &BTreeMap<String, String>, another: Option<&AnotherStore>) -> bool {
    another.is_none() && !labels.contains_key(label::PROJECT)
}

/// The other environment whose Compose project a name begins with.
fn owner_of_prefix<'a>(name: &str, release: &Release, grants: &'a Grants) -> Option<&'a Grantee> {
    let begins = |project: &str| name.strip_prefix(project).is_some_and(|rest| rest.starts_with(['_', '-']));
    let is_others = |other: &&Grantee| {
        (&other.project, &other.environment) != (&release.project, &release.environment)
            && begins(&other.compose_project)
    };
    grants.all.iter().find(is_others).filter(|_| !begins(&release.stack.compose_project))
}

/// A component that may write in it.
fn writer(release: &Release, key: &str) -> Option<String> {
    let writes = |mount: &crate::model::Mount| {
        !mount.read_only && matches!(&mount.source, MountSource::Volume { key: mounted, .. } if mounted == key)
    };
    let writer = release.stack.components.values().find(|component| component.container.mounts.iter().any(writes))?;
    Some(writer.name.to_string())
}

/// A volume or network of the Compose file.
struct Shared<'a> {
    kind: &'a str,
    key: &'a str,
    name: &'a str,
    external: bool,
    place: &'a Option<Place>,
}

impl Shared<'_> {
    fn refused(
        &self,
        release: &Release,
        found: Option<(&BTreeMap<String, String>, Option<&AnotherStore>)>,
        is_own: bool,
        grants: &Grants,
        writer: impl FnOnce() -> Option<String>,
    ) -> Option<Problem> {
        let Shared { kind, key, name, place, .. } = *self;
        let path = format!("{kind}s.{key}");
        let labels = found.map(|(labels, _)| labels);
        // An edge's network is nobody's but the edge's and its replicas'.
        let is_edges =
            labels.is_some_and(|labels| labels.get(label::COMPOSE_NETWORK).is_some_and(|key| key == EDGE_NETWORK));
        let is_own = is_own || self.external && is_edges;
        // launchway.toml may have called the environment's Compose project like what is Launchway's.
        let is_usual = !self.external && name == format!("{}_{key}", release.stack.compose_project);
        let is_launchways = key != EDGE_NETWORK && !is_usual && own_names::is_own(name);
        if is_launchways || is_own {
            let message = format!(
                "the {kind} {name} is Launchway's own, and nothing of a repository may reach it. Choose another name."
            );
            return Some(Problem::error(place.clone(), path, message));
        }
        if labels.is_some_and(|labels| belongs(labels, release)) {
            return None;
        }
        let whose = found.map(|(labels, another)| owner(labels, another)).unwrap_or_default();
        if !self.external {
            return self
                .taken(release, found, &whose, grants)
                .map(|message| Problem::error(place.clone(), path, message));
        }
        let grant = grants.allow.external(name);
        match (grant, writer()) {
            (None, None) => {
                let why = format!("the external {kind} {name} is somebody else's{whose}, so it is refused;");
                Some(Problem::refusal(place.clone(), path, &why, format!("external = [{name:?}]")))
            }
            (None, Some(component)) => {
                let why = format!(
                    "the external {kind} {name} is somebody else's{whose}, and {component} may write in it, so it is refused. Mounted read-only by all it needs `external = [{name:?}]` alone;"
                );
                Some(Problem::refusal(
                    place.clone(),
                    path,
                    &why,
                    format!("external = [{{ name = {name:?}, write = true }}]"),
                ))
            }
            (Some(grant), Some(component)) if !grant.write => {
                let why = format!(
                    "launchway.toml allows the external {kind} {name} to be read, and {component} may write in it. Mount it `read_only: true`;"
                );
                Some(Problem::refusal(
                    place.clone(),
                    path,
                    &why,
                    format!("external = [{{ name = {name:?}, write = true }}]"),
                ))
            }
            (Some(_), _) => None,
        }
    }

    /// Why a name that the release would make cannot be its own.
    fn taken(
        &self,
        release: &Release,
        found: Option<(&BTreeMap<String, String>, Option<&AnotherStore>)>,
        whose: &str,
        grants: &Grants,
    ) -> Option<String> {
        let Shared { kind, key, name, .. } = *self;
        let usual = format!("{}_{key}", release.stack.compose_project);
        match found {
            // What somebody made by hand under the environment's own name is meant for it, as Compose has it.
            Some((labels, None)) if name == usual && !is_labelled(labels) => None,
            Some(_) => {
                let grant = match kind {
                    "volume" => format!("{{ name = {name:?}, write = true }}"),
                    _ => format!("{name:?}"),
                };
                Some(format!(
                    "the {kind} {name} belongs to somebody else{whose}: two environments must not meet. Give it another `name:`; or, if it is meant to be shared, declare it `external: true` and allow it with `allow.external = [{grant}]` of the project in launchway.toml."
                ))
            }
            None => {
                let other = owner_of_prefix(name, release, grants)?;
                Some(format!(
                    "{name} is a name of {}/{}, whose {kind}s begin with {}_: two environments must not meet. Choose another `name:`.",
                    other.project, other.environment, other.compose_project
                ))
            }
        }
    }
}

/// Ours of this environment, or Compose's of its Compose project.
fn belongs(labels: &BTreeMap<String, String>, release: &Release) -> bool {
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    match labels.contains_key(label::PROJECT) {
        true => is(label::PROJECT, release.project.as_str()) && is(label::ENVIRONMENT, release.environment.as_str()),
        false => is(label::COMPOSE_PROJECT, &release.stack.compose_project),
    }
}

fn is_labelled(labels: &BTreeMap<String, String>) -> bool {
    labels.contains_key(label::PROJECT) || labels.contains_key(label::COMPOSE_PROJECT)
}

/// ` (project shop, environment production)`, or what else is known of it.
pub(super) fn owner(labels: &BTreeMap<String, String>, another: Option<&AnotherStore>) -> String {
    if another.is_some() {
        return " (another Launchway's)".into();
    }
    match (labels.get(label::PROJECT), labels.get(label::ENVIRONMENT), labels.get(label::COMPOSE_PROJECT)) {
        (Some(project), Some(environment), _) => format!(" (project {project}, environment {environment})"),
        (_, _, Some(project)) => format!(" (Compose project {project})"),
        _ => String::new(),
    }
}

/// Another Launchway's thing, as it describes itself.
pub(super) fn described(another: &AnotherStore) -> String {
    let id = another.id.as_deref().map(|id| format!(" with the store {id}")).unwrap_or_default();
    let place = match another.project.is_empty() {
        true => String::new(),
        false => format!(", as {}/{}", another.project, another.environment),
    };
    format!("made by another Launchway{id}{place}")
}

#[cfg(test)]
mod tests;
