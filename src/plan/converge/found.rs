//! What no deployment made is what a deployment that fails goes back to: it keeps its volumes, gets its name back, and runs
//! again where it ran. What was made in its place goes.

use super::serving::edge_subject;
use super::{Planner, Wanted, existing, is_accepted, is_up, name_away, remove_all, unroute_all};
use crate::model::{ComponentName, ContainerState, FoundContainer, Observed, ObservedContainer, Release};
use crate::plan::draft::Draft;
use crate::plan::{Action, Phase, Plan};
use std::collections::{BTreeMap, BTreeSet};

const COMES_BACK: &str = "what was there before comes back";

/// Containers of an environment that no deployment of this store made, as they stand: noted before a deployment changes
/// anything, to be gone back to if it fails.
pub fn found(observed: &Observed) -> Vec<FoundContainer> {
    let one = |container: &ObservedContainer| FoundContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        is_up: is_up(container),
    };
    observed.containers.iter().filter(|container| container.deployment.is_none()).map(one).collect()
}

/// Back to where nothing of Launchway's was live: what deployments made goes, and nothing else.
pub(super) fn back_to_what_was_found(wanted: &Wanted, observed: &Observed) -> Plan {
    let mut draft = Draft::default();
    let found = of(wanted, observed);
    let (cause, phase) = match found.is_empty() {
        true => ("nothing was live before", Phase::Clean),
        // Names, ports and volumes are let go before anything that needs them starts.
        false => (COMES_BACK, Phase::Deploy),
    };
    let mut cleared = unroute_all(observed, &mut draft, (cause, phase));
    // Nobody is led to what stops.
    let fronts = observed.fronts.iter().map(|front| &front.container);
    let removed = remove_all(&mut draft, fronts, (cause, phase), &cleared);
    cleared.extend(removed);
    let is_made = |container: &&ObservedContainer| container.deployment.is_some();
    let made: Vec<&ObservedContainer> = observed.containers.iter().filter(is_made).collect();
    let commands = observed.release_commands.iter();
    let removed = remove_all(&mut draft, made.iter().copied().chain(commands), (cause, phase), &cleared);
    cleared.extend(removed);
    restore(&mut draft, &found, &made, cleared);
    draft.finish()
}

/// The containers that were found, with how they stood; who came first comes first.
fn of<'a>(wanted: &'a Wanted, observed: &'a Observed) -> Vec<(&'a FoundContainer, &'a ObservedContainer)> {
    let noted = |container: &'a ObservedContainer| {
        Some((wanted.found.iter().find(|found| found.id == container.id)?, container))
    };
    let mut all: Vec<_> = observed.containers.iter().filter_map(noted).collect();
    all.sort_by_key(|(_, container)| (&container.created_at, &container.name));
    all
}

/// What did not run stops, all get their names, and those that ran start, one after the other: what was created later may
/// need what was created before.
fn restore(
    draft: &mut Draft,
    found: &[(&FoundContainer, &ObservedContainer)],
    made: &[&ObservedContainer],
    mut cleared: Vec<u32>,
) {
    let mut add = |container: &ObservedContainer, action, cause: &str, waits: &[u32]| {
        draft.add(Some(&container.component), &container.name, action, cause, Phase::Deploy, waits.iter().copied())
    };
    for (_, container) in found.iter().filter(|(noted, container)| !noted.is_up && is_up(container)) {
        let action = Action::StopContainer { target: existing(container), grace: None };
        let step = add(container, action, "it did not run before", &cleared);
        cleared.push(step);
    }
    let all = made.iter().copied().chain(found.iter().map(|(_, container)| *container));
    let mut holders: BTreeMap<String, &ObservedContainer> = all.map(|c| (c.name.clone(), c)).collect();
    for (noted, container) in found {
        match holders.remove(&noted.name) {
            Some(holder) if holder.id == container.id => {
                holders.insert(noted.name.clone(), holder);
                continue;
            }
            Some(holder) => {
                let name = name_away(holder, &noted.name);
                let action = Action::RenameContainer { target: existing(holder), name: name.clone() };
                let step = add(holder, action, "its name is wanted", &cleared);
                cleared.push(step);
                holders.insert(name, holder);
            }
            None => {}
        }
        let action = Action::RenameContainer { target: existing(container), name: noted.name.clone() };
        let step = add(container, action, "it had this name before", &cleared);
        cleared.push(step);
        holders.retain(|_, holder| holder.id != container.id);
        holders.insert(noted.name.clone(), container);
    }
    for (_, container) in found.iter().filter(|(noted, container)| noted.is_up && !is_up(container)) {
        let step = add(container, Action::StartContainer(existing(container)), "it ran before", &cleared);
        cleared.push(step);
    }
}

/// What there is to be planned with, going back to a release: what was found beside it, and is not of it, is not the
/// release's to replace or to remove. `None`: nothing was.
pub(super) fn without_found(wanted: &Wanted, release: &Release, observed: &Observed) -> Option<Observed> {
    if wanted.found.is_empty() {
        return None;
    }
    let noted: BTreeSet<&str> = wanted.found.iter().map(|found| found.id.as_str()).collect();
    let is_of_it = |container: &ObservedContainer| {
        let component = release.stack.components.get(&container.component);
        let fingerprint = container.fingerprint.as_ref();
        component.zip(fingerprint).is_some_and(|(component, f)| is_accepted(wanted, release, component, f))
            && container.state != ContainerState::Dead
    };
    let mut rest = observed.clone();
    rest.containers.retain(|container| !noted.contains(container.id.as_str()) || is_of_it(container));
    Some(rest)
}

impl Planner<'_> {
    /// What was found beside the release comes back, once what was made in its place has let go. `all` is what there is,
    /// with what was found.
    pub(super) fn restore_found(&mut self, all: &Observed) {
        let planned: BTreeSet<&str> = self.observed.containers.iter().map(|c| c.id.as_str()).collect();
        let mut found = of(self.wanted, all);
        found.retain(|(_, container)| !planned.contains(container.id.as_str()));
        let displaced = |(noted, container): &(&FoundContainer, &ObservedContainer)| {
            noted.name != container.name || noted.is_up != is_up(container)
        };
        if !found.iter().any(displaced) {
            return;
        }
        let observed = self.observed;
        let gone = |component: &ComponentName| !self.release.stack.components.contains_key(component);
        let made: Vec<&ObservedContainer> = observed.containers.iter().filter(|c| gone(&c.component)).collect();
        let fronts = observed.fronts.iter().map(|front| &front.container).filter(|front| gone(&front.component));
        let fronts: Vec<&ObservedContainer> = fronts.collect();
        let mut cleared = self.draft.ids();
        let routed: Vec<&ComponentName> = observed.edge.iter().flat_map(|edge| edge.routes.keys()).collect();
        for component in routed.into_iter().filter(|component| gone(component)) {
            let (subject, action) = (edge_subject(component), Action::Unroute(component.clone()));
            let waits = cleared.clone();
            let step = self.draft.add(Some(component), &subject, action, COMES_BACK, Phase::Deploy, waits);
            self.unrouted.insert(component.clone(), step);
            cleared.push(step);
        }
        for container in fronts.iter().chain(&made).filter(|c| is_up(c)) {
            let step = match self.stops.get(&container.id) {
                Some(step) => *step,
                None => self.stop(container, COMES_BACK, cleared.clone()),
            };
            cleared.push(step);
        }
        restore(&mut self.draft, &found, &made, cleared);
    }
}

#[cfg(test)]
mod tests;
