//! The part of a plan that only adds: networks, volumes, and containers beside those that run.

use super::{Created, Goal, Made, Planner, existing, replaces, subject};
use crate::model::{Component, ComponentName, Subnet, label};
use crate::plan::container::{ContentNames, Joined, container_spec, content_volumes};
use crate::plan::definition;
use crate::plan::host_paths;
use crate::plan::routing::EDGE_NETWORK;
use crate::plan::slots::Matching;
use crate::plan::unnamed::short_name;
use crate::plan::{Action, NetworkSpec, Phase, Target, VolumeSpec};
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    pub(super) fn networks_and_volumes(
        &mut self,
        components: &[&Component],
        matchings: &BTreeMap<&ComponentName, Matching>,
    ) {
        let stack = &self.release.stack;
        let own = |kind: &str, key: &str| {
            BTreeMap::from([
                (label::PROJECT.to_string(), self.release.project.to_string()),
                (label::ENVIRONMENT.to_string(), self.release.environment.to_string()),
                (label::COMPOSE_PROJECT.to_string(), stack.compose_project.clone()),
                (kind.to_string(), key.to_string()),
            ])
        };
        for (key, network) in &stack.networks {
            if network.external || self.observed.networks.contains_key(&network.name) {
                continue;
            }
            let mut labels = network.labels.clone();
            labels.extend(own(label::COMPOSE_NETWORK, key));
            let mut spec = NetworkSpec { network: network.clone(), labels };
            if let Some(four) = self.addresses.subnet.filter(|_| key == EDGE_NETWORK) {
                let subnet = |subnet: String| Subnet { subnet: Some(subnet), ip_range: None, gateway: None };
                let six = self.addresses.subnet_6;
                spec.network.ipam = vec![subnet(four.to_string())];
                spec.network.ipam.extend(six.map(|six| subnet(six.to_string())));
                // Some engines give every network IPv6 of their own accord.
                spec.network.enable_ipv6 = Some(six.is_some());
            }
            let subject = format!("network {}", network.name);
            self.draft.add(
                None,
                &subject,
                Action::CreateNetwork(Box::new(spec)),
                "it is not there yet",
                Phase::Prepare,
                [],
            );
        }
        for (key, volume) in &stack.volumes {
            if volume.external || self.observed.volumes.contains_key(&volume.name) {
                continue;
            }
            let mut labels = volume.labels.clone();
            labels.extend(own(label::COMPOSE_VOLUME, key));
            let spec = VolumeSpec { volume: volume.clone(), labels };
            let subject = format!("volume {}", volume.name);
            self.draft.add(
                None,
                &subject,
                Action::CreateVolume(Box::new(spec)),
                "it is not there yet",
                Phase::Prepare,
                [],
            );
        }
        self.volumes_with_contents(components, matchings);
    }

    /// Volumes with files of the commit, and those that lie below a path of the host.
    fn volumes_with_contents(&mut self, components: &[&Component], matchings: &BTreeMap<&ComponentName, Matching>) {
        let mut filled: BTreeSet<String> = BTreeSet::new();
        for component in components {
            if !matchings[&component.name].has_missing() && !self.lacks_release_command(component) {
                continue;
            }
            for spec in host_paths::volumes(self.release, component) {
                // One that is made of something else is the engine's room to refuse.
                let there = self.observed.volumes.get(&spec.volume.name);
                let is_there = there.is_some_and(|there| definition::volume(&spec.volume, there).is_empty());
                if !is_there && filled.insert(spec.volume.name.clone()) {
                    let folder = spec.volume.driver_opts.get("device").cloned().unwrap_or_default();
                    let subject = format!("volume {}", spec.volume.name);
                    let cause = format!("{} mounts what lies below {folder} of the host", component.name);
                    let action = Action::CreateVolume(Box::new(spec));
                    self.draft.add(Some(&component.name), &subject, action, &cause, Phase::Prepare, []);
                }
            }
            for volume in content_volumes(component, ContentNames::of(self.observed)) {
                if filled.insert(volume.name.clone()) {
                    let subject = format!("volume {}", volume.name);
                    let cause = format!("{} mounts files of the commit", component.name);
                    let action = Action::FillVolume(Box::new(volume));
                    self.draft.add(Some(&component.name), &subject, action, &cause, Phase::Prepare, []);
                }
            }
        }
    }

    /// Creates what is missing, beside what runs. Returns the step that created each replica.
    pub(super) fn creates(
        &mut self,
        components: &[&Component],
        matchings: &BTreeMap<&ComponentName, Matching>,
    ) -> Created {
        let prepared: Vec<u32> = self.draft.ids();
        let mut created = BTreeMap::new();
        for component in components {
            for (replica, predecessor) in matchings[&component.name].missing() {
                let joined = self.joined(component, &created, matchings);
                let mut waits = prepared.clone();
                waits.extend(joined.created());
                let unnamed = &self.wanted.unnamed;
                let from = (predecessor, unnamed);
                let (deployment, names) = (self.wanted.deployment, ContentNames::of(self.observed));
                let mut spec = container_spec(self.release, deployment, component, replica, from, joined, names);
                spec.name = self.free_name(&spec.name);
                let address = self.give_address(&mut spec);
                let name = spec.name.clone();
                let mut cause = match predecessor {
                    Some(old) => replaces(old),
                    None => "it is not there yet".to_string(),
                };
                let left = predecessor.map(|old| unnamed.left_by(component, old)).unwrap_or_default();
                for (path, name) in left {
                    cause.push_str(&format!("; the unnamed volume {} at {path} stays, unused", short_name(name)));
                }
                let subject = subject(component, replica);
                let action = Action::CreateContainer(Box::new(spec));
                let step = self.draft.add(Some(&component.name), &subject, action, &cause, Phase::Prepare, waits);
                created.insert((component.name.clone(), replica), Made { step, name, address });
            }
        }
        created
    }

    /// The containers of which a component's own shares something.
    pub(super) fn joined(
        &self,
        component: &Component,
        created: &Created,
        matchings: &BTreeMap<&ComponentName, Matching>,
    ) -> Joined {
        let owner = |other: &ComponentName| match created.get(&(other.clone(), 1)) {
            Some(made) => Some(Target::Created { step: made.step }),
            None => matchings.get(other)?.kept().next().map(|(_, container)| existing(container)),
        };
        let container = &component.container;
        Joined {
            network: container.network_of().and_then(owner),
            processes: container.processes_of().as_ref().and_then(owner),
        }
    }

    /// The wanted name where nobody holds it, else one beside it that nobody holds.
    fn free_name(&self, name: &str) -> String {
        let held = |name: &str| self.observed.containers.iter().any(|c| c.name == name);
        if !held(name) {
            return name.to_string();
        }
        let way = if self.wanted.goal == Goal::Deploy { "new" } else { "back" };
        let id = self.wanted.deployment.map_or(self.release.id.0, |deployment| deployment.0);
        let base = format!("{name}.{way}-{id}");
        std::iter::once(base.clone())
            .chain((2..).map(|n| format!("{base}-{n}")))
            .find(|name| !held(name))
            .unwrap_or(base)
    }
}
