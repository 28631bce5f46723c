//! Release commands (migrations): one-off containers of the new image, each run once for a deployment, before anything
//! but what they need is touched.
//!
//! A command runs when what its component depends on is ready: a dependency that the same deployment replaces, its new
//! release. Whatever no command depends on is stopped, renamed, started only after all of them have ended well. So a
//! command that fails finds at most the dependencies replaced, and going back is short.

use super::{Created, Goal, Planner, existing, is_up};
use crate::model::{
    Component, ComponentName, ContainerState, Fingerprint, HealthCheck, ObservedContainer, Release, RestartPolicy,
    label,
};
use crate::plan::container::{ContentNames, container_spec, rotating_logs};
use crate::plan::order::all_dependencies;
use crate::plan::readiness::release_command_readiness;
use crate::plan::routing::EDGE_NETWORK;
use crate::plan::slots::Matching;
use crate::plan::{Action, ContainerSpec, EngineNetworkMode, Phase, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Components of a new release whose release command belongs to its deployment: they have one, and are new or not what
/// is live. `accepted` are fingerprints of the live release that mean the same as the new one's.
pub fn due(
    live: Option<&Release>,
    release: &Release,
    accepted: &BTreeMap<ComponentName, BTreeSet<Fingerprint>>,
) -> BTreeSet<ComponentName> {
    let is_live = |name: &ComponentName| {
        let (Some(before), Some(now)) = (live.and_then(|live| live.parts.get(name)), release.parts.get(name)) else {
            return false;
        };
        before.fingerprint == now.fingerprint
            || accepted.get(name).is_some_and(|accepted| accepted.contains(&before.fingerprint))
    };
    let components = release.stack.components.values();
    let with_command = components.filter(|component| component.settings.release_command.is_some());
    with_command.map(|component| component.name.clone()).filter(|name| !is_live(name)).collect()
}

/// The release commands that have still to run, in a plan in the making.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pending: BTreeSet<ComponentName>,
    /// What they depend on: not held up by them.
    needed: BTreeSet<ComponentName>,
    /// The step that creates a command's container, where it is not there yet.
    created: BTreeMap<ComponentName, u32>,
    /// Commands of other deployments are ended before one begins.
    stale_stopped: Vec<u32>,
    /// The step after which a component's own command has ended well.
    own: BTreeMap<ComponentName, u32>,
    /// The steps after which every command drafted so far has ended well.
    pub ended: Vec<u32>,
}

impl Commands {
    /// The steps to wait for before anything of a component is touched.
    pub fn before(&self, name: &ComponentName) -> Vec<u32> {
        match self.needed.contains(name) {
            true => self.own.get(name).copied().into_iter().collect(),
            false => self.ended.clone(),
        }
    }
}

impl Planner<'_> {
    /// Finds which commands have still to run and creates their containers. Returns what they depend on, and all the
    /// rest, each in the order given.
    pub(super) fn release_commands<'c>(
        &mut self,
        components: &[&'c Component],
        matchings: &BTreeMap<&ComponentName, Matching>,
        created: &Created,
    ) -> (Vec<&'c Component>, Vec<&'c Component>) {
        let stack = &self.release.stack;
        let pending: Vec<&Component> = components.iter().copied().filter(|c| self.has_still_to_run(c)).collect();
        self.commands.pending = pending.iter().map(|component| component.name.clone()).collect();
        self.commands.needed = pending.iter().flat_map(|component| all_dependencies(stack, &component.name)).collect();
        // Networks and volumes; of the containers only those with which it shares something matter.
        let mut prepared = self.draft.ids();
        prepared.retain(|id| !created.values().any(|made| made.step == *id));
        for component in pending {
            if self.own_command(component).is_some() {
                continue;
            }
            let spec = self.release_command_spec(component, &matchings[&component.name], created, matchings);
            let mut waits = prepared.clone();
            let network = if let EngineNetworkMode::Container(owner) = &spec.network { Some(owner) } else { None };
            waits.extend(network.into_iter().chain(&spec.processes_of).filter_map(Target::created));
            let (action, cause) = (Action::CreateContainer(Box::new(spec)), "it runs once for this deployment");
            let step = self.draft.add(Some(&component.name), &subject(component), action, cause, Phase::Prepare, waits);
            self.commands.created.insert(component.name.clone(), step);
        }
        for container in self.observed.release_commands.iter().filter(|container| is_up(container)) {
            if self.is_pending(container) {
                continue;
            }
            let action = Action::StopContainer { target: existing(container), grace: None };
            let cause = "nobody waits for it any more";
            let step = self.draft.add(Some(&container.component), &container.name, action, cause, Phase::Deploy, []);
            self.commands.stale_stopped.push(step);
        }
        components.iter().copied().partition(|component| self.commands.needed.contains(&component.name))
    }

    /// Runs a component's command, where it has still to run: starts it, unless that was done before a restart, and
    /// waits for its end.
    pub(super) fn run_release_command(&mut self, component: &Component) {
        if !self.commands.pending.contains(&component.name) {
            return;
        }
        let subject = subject(component);
        let mut before = self.dependencies_done(component);
        before.extend(&self.commands.stale_stopped);
        let (target, begun) = match (self.commands.created.get(&component.name), self.own_command(component)) {
            (Some(step), _) => (Target::Created { step: *step }, None),
            (None, Some(container)) => {
                let target = Target::Existing { id: container.id.clone(), name: subject.clone() };
                (target, Some(container.state).filter(|state| *state != ContainerState::Created))
            }
            (None, None) => return,
        };
        let mut draft = |action, cause: &str, waits: Vec<u32>| {
            self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, waits)
        };
        if begun.is_none() {
            let action = Action::StartContainer(target.clone());
            before = vec![draft(action, "before anything that it does not need is touched", before)];
        }
        let action = Action::WaitReady { target, readiness: release_command_readiness(component) };
        let cause = match begun {
            None => "",
            Some(ContainerState::Exited { .. }) => "it has ended",
            Some(_) => "it runs already",
        };
        let ended = draft(action, cause, before);
        self.commands.own.insert(component.name.clone(), ended);
        self.commands.ended.push(ended);
    }

    /// Takes the containers of commands away, with all else that is no longer needed.
    pub(super) fn remove_release_commands(&mut self) {
        for container in &self.observed.release_commands {
            let action = Action::RemoveContainer(existing(container));
            let (component, subject) = (Some(&container.component), container.name.as_str());
            self.draft.add(component, subject, action, "a release command is kept no longer", Phase::Clean, []);
        }
        for (component, step) in &self.commands.created {
            let action = Action::RemoveContainer(Target::Created { step: *step });
            let subject = format!("{component}'s release command");
            self.draft.add(Some(component), &subject, action, "it is kept no longer", Phase::Clean, []);
        }
    }

    /// Whether a component's command belongs to this deployment, has still to run, and has no container yet.
    pub(super) fn lacks_release_command(&self, component: &Component) -> bool {
        self.has_still_to_run(component) && self.own_command(component).is_none()
    }

    /// Backwards no command runs. One that failed counts as not run to its end: whoever waits for it learns how it ended.
    fn has_still_to_run(&self, component: &Component) -> bool {
        let ended_well = |container: &ObservedContainer| container.state == ContainerState::Exited { code: 0 };
        self.wanted.goal == Goal::Deploy
            && component.settings.release_command.is_some()
            && self.wanted.release_commands.contains(&component.name)
            && !self.own_command(component).is_some_and(ended_well)
    }

    /// The container in which a component's command runs or ran for this deployment.
    fn own_command(&self, component: &Component) -> Option<&ObservedContainer> {
        let deployment = self.wanted.deployment?;
        let of_it = |c: &&ObservedContainer| c.component == component.name && c.deployment == Some(deployment);
        self.observed.release_commands.iter().find(of_it)
    }

    fn is_pending(&self, container: &ObservedContainer) -> bool {
        self.commands.pending.contains(&container.component)
            && container.deployment.is_some()
            && container.deployment == self.wanted.deployment
    }

    /// A container like the component's own, but for what makes others find it or keeps it running.
    fn release_command_spec(
        &self,
        component: &Component,
        matching: &Matching,
        created: &Created,
        matchings: &BTreeMap<&ComponentName, Matching>,
    ) -> ContainerSpec {
        // Unnamed volumes hold data too: those of the component's own container.
        let kept = || matching.kept().next().map(|(_, container)| container);
        let predecessor = matching.missing().find_map(|(_, predecessor)| predecessor).or_else(kept);
        let joined = self.joined(component, created, matchings);
        let deployment = self.wanted.deployment;
        let (from, names) = ((predecessor, &self.wanted.unnamed), ContentNames::of(self.observed));
        let mut spec = container_spec(self.release, deployment, component, 1, from, joined, names);
        let number = deployment.map_or(self.release.id.0, |deployment| deployment.0);
        spec.name = format!("{}-{}-release-command-{number}", self.release.stack.compose_project, component.name);
        // The service's own labels speak to others (a proxy, a watcher) of what serves.
        spec.labels.retain(|key, _| key.starts_with("launchway.") || key.starts_with("com.docker.compose."));
        spec.labels.remove(label::COMPOSE_CONFIG_HASH);
        spec.labels.insert(label::COMPOSE_ONEOFF.into(), "True".into());
        spec.labels.insert(label::ROLE.into(), label::RELEASE_COMMAND.into());
        // Whatever the service's logs go to, this one's have to be read back.
        spec.logging = rotating_logs();
        let settings = &mut spec.settings;
        settings.command = component.settings.release_command.clone();
        settings.restart = Some(RestartPolicy::No);
        (settings.container_name, settings.hostname, settings.mac_address) = (None, None, None);
        (settings.tty, settings.stdin_open) = (false, false);
        settings.ports.clear();
        settings.expose.clear();
        settings.healthcheck = Some(HealthCheck::disabled());
        if let EngineNetworkMode::Networks(networks) = &mut spec.network {
            let edge = self.release.stack.networks.get(EDGE_NETWORK).map(|network| &network.name);
            networks.retain(|network| Some(&network.name) != edge);
            for network in networks {
                network.aliases.clear();
                (network.ipv4_address, network.ipv6_address, network.mac_address) = (None, None, None);
            }
        }
        spec
    }
}

fn subject(component: &Component) -> String {
    format!("{}'s release command", component.name)
}

#[cfg(test)]
mod tests;
