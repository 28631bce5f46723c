//! From what runs to what is wanted: the one planner behind a first deployment, an update, a rollback, a repair and the
//! settling after a crash. A plan for a state that is already right is empty.

use super::clash;
use super::container::container_name;
use super::draft::Draft;
use super::goal::{Goal, Wanted};
use super::order::{dependencies, levels};
use super::readiness::readiness;
use super::relations::Relations;
use super::slots::{Matching, Slot, is_accepted, match_containers};
use super::{Action, Phase, Plan, Reach, Readiness, RouteChange, Target};
use crate::model::{
    Component, ComponentName, ComponentRoutes, Condition, EnvironmentName, Method, MountSource, Observed,
    ObservedContainer, Problem, ProjectName, Protocol, Release, ReplicaAddress, Stack, label,
};
use std::collections::{BTreeMap, BTreeSet};

mod additions;
mod beside;
pub mod found;
mod fronts;
pub mod release_commands;
mod serving;
pub mod sharing;

pub use beside::{paused_time, pauses_fit};

pub use serving::without_ipv6;

/// Why a caller is restarted whose component has got a front, or another one.
pub const LOOKS_AGAIN: &str = "it looks a name up again that somebody else has now, this once";

/// Why the engine no longer publishes a port: once, nobody answers for a moment.
const OPENED_FROM_NOW_ON: &str = "the edge opens its port from now on: a short gap, this once";

/// What the plan creates, by component and replica.
type Created = BTreeMap<(ComponentName, u32), Made>;

/// A container that the plan creates.
#[derive(Debug, Clone)]
struct Made {
    step: u32,
    /// The name that it is created under.
    name: String,
    /// Where the edge will reach it.
    address: Option<ReplicaAddress>,
}

/// The steps from `observed` to `wanted`, or what stands in the way: problems that are found before anything starts.
pub fn converge(wanted: &Wanted, observed: &Observed) -> Result<Plan, Vec<Problem>> {
    let problems = clash::find(wanted, observed);
    if !problems.is_empty() {
        return Err(problems);
    }
    let Some(release) = wanted.release else {
        return Ok(found::back_to_what_was_found(wanted, observed));
    };
    let draft = Draft::default();
    let (all, rest) = (observed, found::without_found(wanted, release, observed));
    let observed = rest.as_ref().unwrap_or(all);
    let order = levels(&release.stack)
        .map_err(|cycle| vec![Problem::error(None, "depends_on", cycle.to_string())])?
        .into_iter()
        .flatten();
    let order: Vec<&Component> = order.filter_map(|name| release.stack.components.get(&name)).collect();
    // As it is to be led to: with the ways in that there can be.
    let mut adjusted = release.clone();

    let mut fronts = fronts::Fronts::new();
    let mut matchings: BTreeMap<&ComponentName, Matching> = BTreeMap::new();
    let relations = Relations::of(&release.stack);
    for component in &order {
        let mut matching = match_containers(wanted, &relations, release, component, observed);
        let front =
            fronts::Front::decide(wanted, (&mut adjusted, &relations), &component.name, &mut matching, observed);
        fronts.extend(front.map(|front| (component.name.clone(), front)));
        let is_replaced = |other: &ComponentName| matchings.get(other).is_some_and(|other| other.has_missing());
        if component.container.joins().iter().any(is_replaced) {
            // What it shares goes with the container that is replaced.
            matching.replace_all();
        }
        matchings.insert(&component.name, matching);
    }
    let again = fronts::who_looks_again((&mut adjusted, &relations), &fronts, &matchings, observed);
    let release = &adjusted;
    let relations = Relations::of(&release.stack);
    let order = levels(&release.stack)
        .map_err(|cycle| vec![Problem::error(None, "depends_on", cycle.to_string())])?
        .into_iter()
        .flatten();
    let components: Vec<&Component> = order.filter_map(|name| release.stack.components.get(&name)).collect();
    let shares_anew = sharing::mark_restarts(&relations, &components, &mut matchings, &again);

    let (ends, stops, commands) = Default::default();
    let (addresses, led, let_go) = Default::default();
    let (served, fronts_started, unrouted) = (fronts::served(observed), Vec::new(), BTreeMap::new());
    let looks_again = again;
    let mut held_by: BTreeMap<String, Vec<&ObservedContainer>> = BTreeMap::new();
    for container in &observed.containers {
        for held in holds(container) {
            held_by.entry(held).or_default().push(container);
        }
    }
    let mut planner = Planner {
        held_by,
        wanted,
        release,
        relations,
        observed,
        draft,
        ends,
        stops,
        commands,
        addresses,
        led,
        let_go,
        served,
        fronts,
        fronts_started,
        looks_again,
        shares_anew,
        unrouted,
    };
    planner.find_addresses();
    if let Some(problem) = planner.lacks_addresses(&matchings) {
        return Err(vec![problem]);
    }
    planner.networks_and_volumes(&components, &matchings);
    let networks = planner.draft.ids();
    let created = planner.creates(&components, &matchings);
    // What release commands need comes first, and all the rest only when they have ended.
    let (needed, others) = planner.release_commands(&components, &matchings, &created);
    planner.bring_fronts_up(&matchings, &networks);
    planner.make_room(&needed, &matchings);
    for component in &needed {
        planner.run_release_command(component);
        planner.deploy(component, &matchings[&component.name], &created);
    }
    for component in &others {
        planner.run_release_command(component);
    }
    planner.make_room(&others, &matchings);
    for component in &others {
        planner.deploy(component, &matchings[&component.name], &created);
    }
    planner.restore_found(all);
    planner.clean(&matchings);
    planner.remove_release_commands();
    Ok(planner.draft.finish())
}

/// The steps after which a component counts as started, and as ready.
#[derive(Debug, Clone, Default)]
struct Ends {
    started: Vec<u32>,
    ready: Vec<u32>,
}

struct Planner<'a> {
    wanted: &'a Wanted<'a>,
    release: &'a Release,
    relations: Relations<'a>,
    observed: &'a Observed,
    draft: Draft,
    ends: BTreeMap<ComponentName, Ends>,
    /// Who has a port or a volume as long as it runs.
    held_by: BTreeMap<String, Vec<&'a ObservedContainer>>,
    /// The step that stops a container, by its id.
    stops: BTreeMap<String, u32>,
    commands: release_commands::Commands,
    addresses: serving::Addresses,
    /// What the edge serves of a component after the plan so far, and the step.
    led: BTreeMap<ComponentName, (RouteChange, u32)>,
    /// The steps by which the edge lets go of ports that the engine publishes for a component.
    let_go: BTreeMap<ComponentName, Vec<u32>>,
    /// What leads to each component now.
    served: BTreeMap<ComponentName, ComponentRoutes>,
    fronts: fronts::Fronts<'a>,
    /// Nothing is started before the names that it may look up are there.
    fronts_started: Vec<u32>,
    /// Callers that are restarted, because somebody else owns a name that they have looked up.
    looks_again: BTreeSet<ComponentName>,
    /// Who shares the network or the processes of a container that was started after it, or is about to be.
    shares_anew: BTreeSet<ComponentName>,
    /// Steps in phase deploy after which nothing leads to a component that the release does not have.
    unrouted: BTreeMap<ComponentName, u32>,
}

impl Planner<'_> {
    /// What another component needs is let go first: a name, a port, or a volume that moves from one component to
    /// another. All else is stopped when its own turn comes, and what the release no longer has is stopped last.
    fn make_room(&mut self, components: &[&Component], matchings: &BTreeMap<&ComponentName, Matching>) {
        let names: BTreeSet<String> = components
            .iter()
            .flat_map(|c| (1..=c.replicas).map(|replica| container_name(self.release, c, replica)))
            .collect();
        let leaving = self.observed.containers.iter().filter(|container| match matchings.get(&container.component) {
            Some(matching) => matching.obsolete().any(|old| old.id == container.id),
            None => true,
        });
        let mut needed_by: BTreeMap<String, Vec<&Component>> = BTreeMap::new();
        for component in components {
            for needed in self.needs_at_most(component) {
                needed_by.entry(needed).or_default().push(component);
            }
        }
        for container in leaving {
            let holds = holds(container);
            let wanted_by_another = holds.iter().filter_map(|held| needed_by.get(held)).flatten().any(|component| {
                component.name != container.component
                    && !self.needs(component, &container.component).is_disjoint(&holds)
            });
            let mut waits = self.commands.ended.clone();
            waits.extend(&self.fronts_started);
            if wanted_by_another && is_up(container) {
                waits.extend(self.hold_before_stop(container, &waits.clone()));
                waits.push(match self.stops.get(&container.id) {
                    Some(step) => *step,
                    None => self.stop(container, "another component needs what it holds", waits.clone()),
                });
            }
            if names.contains(&container.name) && !matchings.contains_key(&container.component) {
                self.rename_away(container, waits);
            }
        }
    }

    /// Ports and volumes that only one of two components can have: a volume which both mount in the release is shared
    /// on purpose.
    fn needs(&self, component: &Component, holder: &ComponentName) -> BTreeSet<String> {
        let stack = &self.release.stack;
        let shared = stack.components.get(holder).map(|holder| volumes(stack, holder)).unwrap_or_default();
        let opened = component.entries.iter().filter_map(|entry| entry.listen.address()).map(|address| address.port);
        let ports = component.container.ports.iter().filter_map(|port| port.published).chain(opened);
        ports.map(|port| format!("port {port}")).chain(volumes(stack, component).difference(&shared).cloned()).collect()
    }

    /// The same, whoever holds it.
    fn needs_at_most(&self, component: &Component) -> BTreeSet<String> {
        let opened = component.entries.iter().filter_map(|entry| entry.listen.address()).map(|address| address.port);
        let ports = component.container.ports.iter().filter_map(|port| port.published).chain(opened);
        ports.map(|port| format!("port {port}")).chain(volumes(&self.release.stack, component)).collect()
    }

    fn deploy(&mut self, component: &Component, matching: &Matching, created: &Created) {
        let method = self.method(component);
        if method != Method::Recreate {
            return self.deploy_beside(component, matching, created, method);
        }
        let mut waits = self.dependencies_done(component);
        waits.extend(self.commands.before(&component.name));
        let stops_some = matching.obsolete().any(is_up) || matching.restart;
        if stops_some || component.entries.is_empty() {
            waits.extend(self.hold_requests(component, &waits.clone()));
        }
        let mut cleared = waits.clone();
        cleared.extend(self.hand_names_over(component, matching, created, &waits));
        // All that takes time is done: what is down from here on is down only for stop and start.
        let named = cleared.clone();
        for container in matching.obsolete().filter(|c| is_up(c)) {
            cleared.push(match self.stops.get(&container.id) {
                Some(step) => *step,
                None => self.stop(container, &self.why_it_stops(component, container), named.clone()),
            });
        }
        let mut ends = Ends { started: waits.clone(), ready: waits };
        for (replica, slot) in matching.slots() {
            let (target, mut cause) = match slot {
                Slot::Missing { .. } => match created.get(&(component.name.clone(), replica)) {
                    Some(made) => (Target::Created { step: made.step }, "new container"),
                    None => continue,
                },
                Slot::Kept(container) => (existing(container), "it is not running"),
            };
            let subject = subject(component, replica);
            let mut before = cleared.clone();
            let mut must_start = true;
            if let Slot::Kept(container) = slot
                && is_up(container)
            {
                must_start = matching.restart;
                if matching.restart {
                    cause = self.why_it_restarts(component);
                    before.push(self.stop(container, cause, before.clone()));
                } else if !matching.must_wait(container) && self.is_known_ready(component, container) {
                    continue;
                }
            }
            if must_start {
                before.extend(self.stops_in_the_way(component, &before.clone()));
                let action = Action::StartContainer(target.clone());
                before = vec![self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, before)];
            }
            let address = match slot {
                Slot::Missing { .. } => created.get(&(component.name.clone(), replica)).and_then(|made| made.address),
                Slot::Kept(container) => container.edge_address,
            };
            let action = Action::WaitReady { target, readiness: self.readiness(component, address) };
            let cause = if must_start { "" } else { "it runs, but is not ready" };
            let ready = self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, before.clone());
            ends.started.extend(before);
            ends.ready.push(ready);
        }
        let fresh = self.fresh(component, matching, created);
        if !fresh.is_empty() && (stops_some || !self.is_served(component, &fresh)) {
            let shares = self.shares(&fresh, &[], None);
            let waits = ends.ready.clone();
            ends.ready.extend(self.lead(component, shares, "its replicas are ready", waits));
        }
        let waits = ends.ready.clone();
        ends.ready.extend(self.stop_owners(component, matching, &waits));
        ends.ready.extend(self.stop_left_front(component, &waits));
        self.ends.insert(component.name.clone(), ends);
    }

    /// When a replica counts as ready: by itself, and for those who are led to it.
    fn readiness(&self, component: &Component, address: Option<ReplicaAddress>) -> Readiness {
        let reach = Reach::of(&self.relations, component, address, self.wanted.goal);
        Readiness { reach, ..readiness(&self.relations, component) }
    }

    fn why_it_restarts(&self, component: &Component) -> &'static str {
        if self.looks_again.contains(&component.name) {
            return LOOKS_AGAIN;
        }
        match self.shares_anew.contains(&component.name) {
            true if component.container.network_of().is_none() => {
                "the processes that it shares end whenever their owner is started"
            }
            true => "the network that it shares is made anew whenever its owner is started",
            false => "depends_on says restart",
        }
    }

    fn why_it_stops(&self, component: &Component, container: &ObservedContainer) -> String {
        let tcp = container.published.iter().filter(|published| published.protocol == Protocol::Tcp);
        let tcp: BTreeSet<u16> = tcp.map(|published| published.port).collect();
        let mut opened = component.edge_entries().filter_map(|entry| entry.listen.address());
        let gap = match opened.any(|address| tcp.contains(&address.port)) {
            true => format!("; {OPENED_FROM_NOW_ON}"),
            false => String::new(),
        };
        format!("release {} replaces it{gap}", self.release.id)
    }

    /// Gives the names of the component's containers to those that serve from now on; a container that runs does not
    /// notice. Returns the steps.
    fn hand_names_over(
        &mut self,
        component: &Component,
        matching: &Matching,
        created: &Created,
        waits: &[u32],
    ) -> Vec<u32> {
        let mut steps: Vec<u32> = Vec::new();
        let so_far = |steps: &[u32]| waits.iter().chain(steps).copied().collect::<Vec<u32>>();
        let wanted_names: BTreeSet<String> =
            (1..=component.replicas).map(|replica| container_name(self.release, component, replica)).collect();
        for container in matching.obsolete().filter(|c| wanted_names.contains(&c.name)) {
            let mut before = so_far(&steps);
            // The engine does not rename what it is about to restart; nor is it needed any more, whatever becomes of it.
            if is_up(container) && (keeps_ending(container) || self.wanted.goal == Goal::PutBack) {
                before.push(match self.stops.get(&container.id) {
                    Some(step) => *step,
                    None => self.stop(container, &self.why_it_stops(component, container), before.clone()),
                });
            }
            let step = self.rename_away(container, before);
            steps.push(step);
        }
        for (replica, slot) in matching.all() {
            let (target, name) = match slot {
                Slot::Missing { .. } => match created.get(&(component.name.clone(), replica)) {
                    Some(made) => (Target::Created { step: made.step }, made.name.clone()),
                    None => continue,
                },
                Slot::Kept(container) => (existing(container), container.name.clone()),
            };
            let right_name = container_name(self.release, component, replica);
            if name != right_name {
                let action = Action::RenameContainer { target, name: right_name };
                let (subject, cause) = (subject(component, replica), "it takes the name over");
                let waits = so_far(&steps);
                steps.push(self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, waits));
            }
        }
        steps
    }

    /// Steps to wait for before anything of the component is stopped or started.
    fn dependencies_done(&self, component: &Component) -> Vec<u32> {
        let mut waits: Vec<u32> = self.fronts_started.clone();
        for name in dependencies(&self.release.stack, &component.name) {
            let Some(ends) = self.ends.get(&name) else { continue };
            let condition = component.depends_on.get(&name).map(|dependency| dependency.condition);
            waits.extend(match condition {
                Some(Condition::ServiceStarted) | None => &ends.started,
                Some(_) => &ends.ready,
            });
        }
        waits
    }

    /// Stops of other components' containers that hold what this one needs.
    fn stops_in_the_way(&mut self, component: &Component, waits: &[u32]) -> Vec<u32> {
        let needs = self.needs_at_most(component);
        let stopped = needs.iter().filter_map(|needed| self.held_by.get(needed)).flatten();
        let stopped = stopped.filter(|c| c.component != component.name);
        let stops = stopped
            .filter(|c| !self.needs(component, &c.component).is_disjoint(&holds(c)))
            .filter_map(|c| self.stops.get(&c.id).copied());
        let mut stops: Vec<u32> = stops.collect();
        stops.extend(self.let_ports_go(component, waits));
        stops
    }

    fn clean(&mut self, matchings: &BTreeMap<&ComponentName, Matching>) {
        for matching in matchings.values() {
            for container in matching.obsolete() {
                let cause = format!("release {} has replaced it", self.release.id);
                self.retire(container, &cause, &[]);
            }
        }
        let unrouted = self.unroute_dropped();
        let fronts = self.remove_left_fronts();
        let observed = self.observed;
        for container in observed.containers.iter().filter(|c| !matchings.contains_key(&c.component)) {
            let name = &container.component;
            let waits: Vec<u32> = unrouted.get(name).into_iter().chain(fronts.get(name)).copied().collect();
            self.retire(container, "the Compose file no longer has it; its volumes stay", &waits);
        }
    }

    /// Stops a container that gets nothing new any more, once it has finished what it has.
    fn stop(&mut self, container: &ObservedContainer, cause: &str, waits: Vec<u32>) -> u32 {
        let mut waits = waits;
        waits.extend(self.drain(container, Phase::Deploy, &waits.clone()));
        let action = Action::StopContainer { target: existing(container), grace: None };
        let step = self.draft.add(Some(&container.component), &container.name, action, cause, Phase::Deploy, waits);
        self.stops.insert(container.id.clone(), step);
        step
    }

    fn rename_away(&mut self, container: &ObservedContainer, waits: Vec<u32>) -> u32 {
        self.rename_away_in(Phase::Deploy, container, waits)
    }

    fn rename_away_in(&mut self, phase: Phase, container: &ObservedContainer, waits: Vec<u32>) -> u32 {
        let name = name_away(container, &container.name);
        let action = Action::RenameContainer { target: existing(container), name };
        self.draft.add(Some(&container.component), &container.name, action, "its name is wanted", phase, waits)
    }
}

/// Names on the engine of the volumes that a component may write to.
fn volumes(stack: &Stack, component: &Component) -> BTreeSet<String> {
    let keys =
        component.container.mounts.iter().filter(|mount| !mount.read_only).filter_map(|mount| match &mount.source {
            MountSource::Volume { key, .. } => stack.volumes.get(key),
            _ => None,
        });
    keys.map(|volume| format!("volume {}", volume.name)).collect()
}

/// Ports and volumes that a container has as long as it runs.
fn holds(container: &ObservedContainer) -> BTreeSet<String> {
    let ports = container.published.iter().map(|published| format!("port {}", published.port));
    ports.chain(container.volumes.keys().map(|name| format!("volume {name}"))).collect()
}

/// Networks of the environment that its release no longer names, where nothing is live all that deployments made: others may
/// want their addresses. Not those that a container names, which may not run just now; and whoever takes them away leaves
/// those that any container still uses.
pub fn left_networks(
    (project, environment): (&ProjectName, &EnvironmentName),
    release: Option<&Release>,
    observed: &Observed,
) -> Vec<String> {
    let is_own = |labels: &BTreeMap<String, String>| {
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
        is(label::PROJECT, project.as_str()) && is(label::ENVIRONMENT, environment.as_str())
    };
    let named = release.iter().flat_map(|release| release.stack.networks.values());
    let is_named = |name: &String| named.clone().any(|network| network.name == *name);
    // What was adopted, or found at an upgrade, carries no seal of this store: no deployment made it that has not gone live.
    let is_made = |labels: &BTreeMap<String, String>| release.is_some() || labels.contains_key(label::SEAL);
    let fronts = observed.fronts.iter().map(|front| &front.container);
    let containers = observed.containers.iter().chain(&observed.release_commands).chain(fronts);
    let used: BTreeSet<&String> = containers.flat_map(|container| container.networks.keys()).collect();
    let goes = |name: &String, labels: &BTreeMap<String, String>| {
        is_own(labels) && is_made(labels) && !is_named(name) && !used.contains(name)
    };
    let left = observed.networks.iter().filter(|(name, network)| goes(name, &network.labels));
    left.map(|(name, _)| name.clone()).collect()
}

/// Nothing leads to the environment any more.
fn unroute_all(observed: &Observed, draft: &mut Draft, (cause, phase): (&str, Phase)) -> Vec<u32> {
    let mut steps = Vec::new();
    for component in observed.edge.iter().flat_map(|edge| edge.routes.keys()) {
        let subject = serving::edge_subject(component);
        let action = Action::Unroute(component.clone());
        steps.push(draft.add(Some(component), &subject, action, cause, phase, []));
    }
    steps
}

/// Stops containers in the given phase, and removes them when it is time to. Returns the steps after which nothing of them
/// is in the way: in that phase.
fn remove_all<'a>(
    draft: &mut Draft,
    containers: impl Iterator<Item = &'a ObservedContainer>,
    (cause, phase): (&str, Phase),
    waits: &[u32],
) -> Vec<u32> {
    let mut gone = Vec::new();
    for container in containers {
        let mut waits = waits.to_vec();
        if is_up(container) {
            let action = Action::StopContainer { target: existing(container), grace: None };
            waits = vec![draft.add(Some(&container.component), &container.name, action, cause, phase, waits)];
            gone.extend(waits.iter().filter(|_| phase != Phase::Clean));
        }
        let action = Action::RemoveContainer(existing(container));
        let step = draft.add(Some(&container.component), &container.name, action, cause, Phase::Clean, waits);
        gone.extend((phase == Phase::Clean).then_some(step));
    }
    gone
}

/// What a container is called from now on that has to give a name to another one.
fn name_away(container: &ObservedContainer, name: &str) -> String {
    format!("{name}.old-{}", container.id.get(..8).unwrap_or(&container.id))
}

fn is_up(container: &ObservedContainer) -> bool {
    use crate::model::ContainerState::{Paused, Restarting, Running};
    matches!(container.state, Running | Paused | Restarting)
}

fn keeps_ending(container: &ObservedContainer) -> bool {
    container.state == crate::model::ContainerState::Restarting || container.restart_count > 0
}

fn existing(container: &ObservedContainer) -> Target {
    Target::Existing { id: container.id.clone(), name: container.name.clone() }
}

fn subject(component: &Component, replica: u32) -> String {
    format!("{}-{replica}", component.name)
}

fn replaces(old: &ObservedContainer) -> String {
    let what = format!("{}-{}", old.component, old.replica);
    match (old.release, &old.fingerprint) {
        (Some(release), _) => format!("replaces {what} of release {release}"),
        (None, _) => format!("takes over {}, which Compose started", old.name),
    }
}

#[cfg(test)]
pub(super) mod tests;
