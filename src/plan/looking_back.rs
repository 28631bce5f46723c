//! What an earlier version of Launchway, which sealed nothing, made on the engine for this store. Asked once, at the first
//! start with seals; what an image, a Dockerfile or a `label_file` could have written is not believed.

use super::container::{front_spec, unowned_content_volumes};
use crate::model::{
    ComponentName, DeploymentId, EnvironmentName, Fingerprint, Kind, ProjectName, Recorded, Release, ReleaseId, label,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a release of this store says of one component in one environment.
#[derive(Default)]
struct Known {
    fingerprints: BTreeSet<Fingerprint>,
    fronts: BTreeSet<String>,
    is_fronted: bool,
}

/// All that the store's releases say.
#[derive(Default)]
pub struct Past {
    components: BTreeMap<(ProjectName, EnvironmentName, ComponentName), Known>,
    /// Names on the engine of networks and volumes that releases made.
    networks: BTreeSet<(ProjectName, EnvironmentName, String)>,
    volumes: BTreeSet<(ProjectName, EnvironmentName, String)>,
    /// Name -> id of what is in it.
    contents: BTreeMap<String, String>,
    newest: Option<ReleaseId>,
    newest_deployment: Option<DeploymentId>,
}

impl Past {
    /// `newest_deployment`: the last one that this store has noted.
    pub fn new(newest_deployment: Option<DeploymentId>) -> Self {
        Self { newest_deployment, ..Self::default() }
    }

    /// Takes in a release that this store knows.
    pub fn add(&mut self, release: &Release) {
        let place = || (release.project.clone(), release.environment.clone());
        self.newest = self.newest.max(Some(release.id));
        for component in release.stack.components.values() {
            let (project, environment) = place();
            let known = self.components.entry((project, environment, component.name.clone())).or_default();
            if let Some(part) = release.parts.get(&component.name) {
                known.fingerprints.extend(part.also.iter().cloned().chain([part.fingerprint.clone()]));
            }
            known.is_fronted |= component.is_fronted();
            known.fronts.extend(front_spec(release, None, component).labels.remove(label::FINGERPRINT));
            for mut volume in unowned_content_volumes(component) {
                self.contents.extend(volume.labels.remove(label::CONTENT).map(|id| (volume.name, id)));
            }
        }
        let (project, environment) = place();
        let named = |name: &String| (project.clone(), environment.clone(), name.clone());
        let networks = release.stack.networks.values().filter(|network| !network.external);
        self.networks.extend(networks.map(|network| named(&network.name)));
        let volumes = release.stack.volumes.values().filter(|volume| !volume.external);
        self.volumes.extend(volumes.map(|volume| named(&volume.name)));
    }

    /// Of these, what this store made, each with the labels that are true of it.
    pub fn made(&self, unsealed: Vec<Recorded>) -> Vec<Recorded> {
        let made = unsealed.into_iter().filter_map(|thing| {
            // A seal is another store's.
            let labels = (!thing.labels.contains_key(label::SEAL)).then(|| self.true_labels(&thing))??;
            Some(Recorded { labels, ..thing })
        });
        made.collect()
    }

    fn true_labels(&self, thing: &Recorded) -> Option<BTreeMap<String, String>> {
        match thing.kind {
            Kind::Container => self.of_container(thing),
            Kind::Network => self.of_shared(thing, &self.networks, label::COMPOSE_NETWORK),
            Kind::Volume => {
                let content = thing.labels.get(label::CONTENT);
                match content.filter(|content| self.contents.get(&thing.name) == Some(*content)) {
                    Some(content) => Some(BTreeMap::from([(label::CONTENT.to_string(), content.clone())])),
                    None => self.of_shared(thing, &self.volumes, label::COMPOSE_VOLUME),
                }
            }
        }
    }

    fn of_shared(
        &self,
        thing: &Recorded,
        known: &BTreeSet<(ProjectName, EnvironmentName, String)>,
        key: &str,
    ) -> Option<BTreeMap<String, String>> {
        let (project, environment) = place(thing)?;
        let is_known = known.contains(&(project, environment, thing.name.clone()));
        is_known.then(|| taken(thing, &[label::PROJECT, label::ENVIRONMENT, label::COMPOSE_PROJECT, key]))
    }

    /// Which labels an earlier version wrote on every container, so that nothing could write them in its place: project,
    /// environment, component, release, fingerprint, and Compose's. The role and who owns the name it wrote on some only, so
    /// those follow from the others.
    fn of_container(&self, thing: &Recorded) -> Option<BTreeMap<String, String>> {
        let said = |key: &str| thing.labels.get(key).map(String::as_str);
        let (project, environment) = place(thing)?;
        let component = ComponentName::new(said(label::COMPONENT)?).ok()?;
        let known = self.components.get(&(project, environment, component))?;
        let fingerprint = said(label::FINGERPRINT)?;
        let mut keys = vec![
            label::PROJECT,
            label::ENVIRONMENT,
            label::COMPONENT,
            label::FINGERPRINT,
            label::COMPOSE_PROJECT,
            label::COMPOSE_SERVICE,
            label::COMPOSE_NUMBER,
            label::COMPOSE_ONEOFF,
            label::COMPOSE_CONFIG_HASH,
        ];
        // Not on what was mended while nothing was deployed.
        let deployment = said(label::DEPLOYMENT).and_then(|text| text.parse::<DeploymentId>().ok());
        if deployment.is_some_and(|deployment| Some(deployment) <= self.newest_deployment) {
            keys.push(label::DEPLOYMENT);
        }
        if known.fronts.contains(fingerprint) {
            keys.extend([label::ROLE, label::FRONTED]);
            return (said(label::ROLE) == Some(label::FRONT)).then(|| taken(thing, &keys));
        }
        let release: ReleaseId = said(label::RELEASE)?.parse().ok()?;
        let is_known = known.fingerprints.iter().any(|known| known.0 == fingerprint) && Some(release) <= self.newest;
        keys.extend([label::RELEASE, label::COMMIT]);
        if known.is_fronted {
            keys.push(label::FRONTED);
        }
        let mut labels = taken(thing, &keys);
        if said(label::COMPOSE_ONEOFF) == Some("True") {
            labels.insert(label::ROLE.into(), label::RELEASE_COMMAND.into());
        }
        is_known.then_some(labels)
    }
}

fn place(thing: &Recorded) -> Option<(ProjectName, EnvironmentName)> {
    let said = |key: &str| thing.labels.get(key).cloned();
    let project = ProjectName::new(said(label::PROJECT)?).ok()?;
    Some((project, EnvironmentName::new(said(label::ENVIRONMENT)?).ok()?))
}

fn taken(thing: &Recorded, keys: &[&str]) -> BTreeMap<String, String> {
    let pairs = keys.iter().filter_map(|key| Some((key.to_string(), thing.labels.get(*key)?.clone())));
    pairs.collect()
}

#[cfg(test)]
mod tests;
