//! Fronts in a plan: which components have one, what becomes of those that are there, and who has to look a name up again
//! because somebody else owns it from now on.

use super::{Planner, Wanted, existing, is_up};
use crate::model::{
    Component, ComponentName, ComponentRoutes, Condition, Dependency, Health, Observed, ObservedContainer,
    ObservedFront, Release, RouteEntry, label,
};
use crate::plan::Goal;
use crate::plan::container::front_spec;
use crate::plan::fronts::named_entries;
use crate::plan::order::all_dependencies;
use crate::plan::relations::Relations;
use crate::plan::slots::Matching;
use crate::plan::{Action, ContainerSpec, EngineNetworkMode, Phase, RouteChange, Share, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What the plan makes of a component's front.
#[derive(Debug, Clone)]
pub(super) struct Front<'a> {
    spec: ContainerSpec,
    /// The one that is to own the name, where it is there.
    current: Option<&'a ObservedFront>,
    /// Callers may know another address by the name.
    moves: bool,
}

/// Components that have a front after the plan, by name.
pub(super) type Fronts<'a> = BTreeMap<ComponentName, Front<'a>>;

impl<'a> Front<'a> {
    /// Whether the component has a front after the plan; `matching` gives up what cannot stay without one. Sets the
    /// component's ways in to those that there will be.
    ///
    /// Replicas that own their component's name keep it, and have no front, until they are replaced: getting one is no
    /// change of theirs. What lost its name to a front cannot do without.
    pub(super) fn decide(
        wanted: &Wanted,
        (release, relations): (&mut Release, &Relations<'_>),
        name: &ComponentName,
        matching: &mut Matching,
        observed: &'a Observed,
    ) -> Option<Self> {
        let component = release.stack.components.get(name)?;
        let there: Vec<&ObservedFront> =
            observed.fronts.iter().filter(|front| front.container.component == *name).collect();
        let has_own_name = |container: &ObservedContainer| !container.fronted;
        let wants = component.is_fronted() && observed.front_program.is_some();
        // A release that knows of no front is put back behind the one that is there, unless it says that it has none.
        let may_stay =
            !wants && wanted.goal == Goal::PutBack && component.settings.front != Some(false) && !there.is_empty();
        // All texts of the stack are searched for them: only where they are needed.
        let named = if may_stay { named_entries(relations, component) } else { Vec::new() };
        let stays = may_stay && (!named.is_empty() || there.iter().any(|front| front.routes.is_some()));
        let component = release.stack.components.get_mut(name)?;
        let due = match wants {
            true => !there.is_empty() || !matching.kept().any(|(_, container)| has_own_name(container)),
            false => stays,
        };
        if !due {
            component.entries.retain(|entry| !entry.listen.is_inside());
            if matching.kept().any(|(_, container)| container.fronted) {
                matching.replace_all();
            }
            return None;
        }
        if !wants {
            let open = there.iter().filter_map(|front| front.routes.as_ref()).flat_map(|routes| routes.entries.clone());
            let mut open: Vec<RouteEntry> = open.filter(|entry| entry.listen.is_inside()).collect();
            // One that does not answer just now has its callers all the same.
            if open.is_empty() {
                open = named;
            }
            component.entries.retain(|entry| !entry.listen.is_inside());
            component.entries.extend(open);
        }
        let component = component.clone();
        let mut spec = front_spec(release, wanted.deployment, &component);
        let fingerprint = spec.labels.get(label::FINGERPRINT);
        let networks: Vec<&String> = match &spec.network {
            EngineNetworkMode::Networks(networks) => networks.iter().map(|network| &network.name).collect(),
            _ => Vec::new(),
        };
        // Somebody may have taken it off a network: there it has no name.
        let is_current = |front: &&&ObservedFront| {
            front.container.fingerprint.as_ref().map(|fingerprint| &fingerprint.0) == fingerprint
                && networks.iter().all(|name| front.container.networks.contains_key(*name))
        };
        let current = there.iter().find(is_current).copied();
        let owner_runs = observed.containers.iter().any(|c| c.component == *name && is_up(c));
        let moves = match current {
            Some(front) => front.container.fronted || front.moved_ms.is_some(),
            None => owner_runs,
        };
        if moves {
            spec.labels.insert(label::FRONTED.into(), "another".into());
        }
        Some(Self { spec, current, moves })
    }

    /// A container that was started before the front was there, or where it is now, knows nothing of it.
    fn is_older(&self, container: &ObservedContainer) -> bool {
        match self.current {
            None => true,
            Some(front) => {
                let made = front.container.created_at.parse::<jiff::Timestamp>().ok();
                let started = container.started_ms;
                // Whoever was started after its last run had ended never found it where it was.
                let moved = front.moved_ms.map(|at| front.container.ended_ms.map_or(at, |ended| ended.min(at)));
                let there = made.map(|made| made.as_millisecond()).max(moved);
                matches!((there, started), (Some(there), Some(started)) if started < there)
            }
        }
    }
}

/// Callers that have looked a name up that belongs to somebody else from now on: they are to look again, after it does. Those
/// that are made now wait for that, too, and look once. Adds what they wait for to the release, unless the component waits for
/// them: then they were there before it, and look a name up when they need it.
pub(super) fn who_looks_again(
    (release, relations): (&mut Release, &Relations<'_>),
    fronts: &Fronts<'_>,
    matchings: &BTreeMap<&ComponentName, Matching>,
    observed: &Observed,
) -> BTreeSet<ComponentName> {
    let mut again = BTreeSet::new();
    let left = left_by_fronts(release, fronts, observed);
    for name in release.stack.components.keys().cloned().collect::<Vec<_>>() {
        // Where what is live still has its name itself, whoever knows its address is right.
        let own = matchings.get(&name).is_some_and(|matching| matching.kept().any(|(_, container)| !container.fronted));
        let moved = fronts.get(&name).filter(|front| front.moves && !own);
        let gone = left.get(&name);
        if moved.is_none() && gone.is_none() {
            continue;
        }
        let Some(component) = release.stack.components.get(&name).cloned() else { continue };
        for caller in relations.callers(&component) {
            let knows_no_better = |container: &ObservedContainer| {
                moved.is_some_and(|front| front.is_older(container))
                    || gone.is_some_and(|ended| match (ended, container.started_ms) {
                        (Some(ended), Some(started)) => started < *ended,
                        _ => true,
                    })
            };
            let Some(matching) = matchings.get(&caller) else { continue };
            let mut runs = matching.kept().filter(|(_, container)| is_up(container));
            let knows = runs.any(|(_, container)| knows_no_better(container));
            // One that is made now could still find who has the name until then.
            let could_find = matching.has_missing() && (moved.is_some() || gone == Some(&None));
            if !knows && !could_find {
                continue;
            }
            if wait_for(release, &caller, &name) && knows {
                again.insert(caller);
            }
        }
    }
    again
}

/// Components that have no front any more, and when theirs ended; `None` while it runs.
fn left_by_fronts(release: &Release, fronts: &Fronts<'_>, observed: &Observed) -> BTreeMap<ComponentName, Option<i64>> {
    let left = observed.fronts.iter().map(|front| &front.container);
    let left =
        left.filter(|c| !fronts.contains_key(&c.component) && release.stack.components.contains_key(&c.component));
    left.map(|c| (c.component.clone(), c.ended_ms.filter(|_| !is_up(c)))).collect()
}

/// Has the caller wait until the component is ready. Not where that would be a circle.
fn wait_for(release: &mut Release, caller: &ComponentName, name: &ComponentName) -> bool {
    let Some(component) = release.stack.components.get(caller) else { return false };
    let waits = component.depends_on.contains_key(name);
    // All dependencies of components of that name, which itself may be the caller.
    if !waits && (caller == name || all_dependencies(&release.stack, name).contains(caller)) {
        return false;
    }
    let Some(component) = release.stack.components.get_mut(caller) else { return false };
    let dependency = component.depends_on.entry(name.clone());
    let dependency =
        dependency.or_insert(Dependency { condition: Condition::ServiceHealthy, required: false, restart: false });
    if dependency.condition == Condition::ServiceStarted {
        dependency.condition = Condition::ServiceHealthy;
    }
    true
}

/// What edge and front serve of each component, as one. Where the two differ, which a crash between them leaves, the
/// front's ways in are missing: both are told again.
pub(super) fn served(observed: &Observed) -> BTreeMap<ComponentName, ComponentRoutes> {
    let mut all: BTreeMap<ComponentName, ComponentRoutes> =
        observed.edge.iter().flat_map(|edge| edge.routes.clone()).collect();
    for front in observed.fronts.iter().filter(|front| front.container.is_running()) {
        let Some(inside) = &front.routes else { continue };
        match all.get_mut(&front.container.component) {
            Some(routes) if same_shares(routes, inside) => routes.entries.extend(inside.entries.clone()),
            Some(_) => {}
            None => drop(all.insert(front.container.component.clone(), inside.clone())),
        }
    }
    all
}

fn same_shares(one: &ComponentRoutes, other: &ComponentRoutes) -> bool {
    let shares = |routes: &ComponentRoutes| {
        let of = |release: &crate::model::WeightedRelease| {
            let ids: BTreeSet<String> = release.replicas.iter().map(|replica| replica.id.clone()).collect();
            (release.release, release.weight, ids)
        };
        routes.releases.iter().map(of).collect::<BTreeSet<_>>()
    };
    one.held == other.held && one.sticky == other.sticky && shares(one) == shares(other)
}

impl Planner<'_> {
    /// Makes the fronts that are not there, and starts those that do not run: before all else, as whoever calls has to find
    /// the name.
    pub(super) fn bring_fronts_up(&mut self, matchings: &BTreeMap<&ComponentName, Matching>, networks: &[u32]) {
        let fronts = self.fronts.clone();
        for (name, front) in &fronts {
            let subject = subject(name);
            let (observed, current) = (self.observed, front.current.map(|current| &current.container.id));
            let others = observed.fronts.iter().map(|other| &other.container);
            let others: Vec<&ObservedContainer> =
                others.filter(|other| other.component == *name && Some(&other.id) != current).collect();
            let (target, waits) = match front.current {
                Some(current) => (existing(&current.container), Vec::new()),
                None => {
                    let mut waits = networks.to_vec();
                    for other in others.iter().filter(|other| other.name == front.spec.name) {
                        waits.push(self.rename_away_in(Phase::Prepare, other, Vec::new()));
                    }
                    let cause = match front.moves {
                        true => "it owns the name from now on; callers look it up again, this once",
                        false => "it owns the name for its callers",
                    };
                    let action = Action::CreateFront(Box::new(front.spec.clone()));
                    let step = self.draft.add(Some(name), &subject, action, cause, Phase::Prepare, waits);
                    (Target::Created { step }, vec![step])
                }
            };
            // What the engine starts again and again is told and started too.
            let runs = front.current.filter(|current| current.container.is_running());
            match runs {
                Some(current) => {
                    let program = current.program.as_ref();
                    if program.is_some() && program != self.observed.front_program.as_ref() {
                        let (action, cause) = (Action::RenewFront(target), "it runs another program than is here");
                        let step = self.draft.add(Some(name), &subject, action, cause, Phase::Deploy, []);
                        // What it is told meanwhile, only one of the two would hear.
                        self.fronts_started.push(step);
                    }
                }
                None => {
                    let Some(component) = self.release.stack.components.get(name) else { continue };
                    let change = self.first_routes(component, &matchings[name]);
                    let action = Action::StartFront { target, change: Box::new(change.clone()) };
                    let cause = match front.current {
                        Some(_) => "it is not running",
                        None => "new container",
                    };
                    let step = self.draft.add(Some(name), &subject, action, cause, Phase::Deploy, waits.clone());
                    self.fronts_started.push(step);
                    // The edge's part is as it was.
                    let mut entries: Vec<RouteEntry> =
                        self.routes(name).into_iter().flat_map(|routes| routes.entries.clone()).collect();
                    entries.retain(|entry| !entry.listen.is_inside());
                    entries.extend(change.entries.iter().cloned());
                    self.led.insert(name.clone(), (RouteChange { entries, ..change }, step));
                }
            }
        }
    }

    /// What a front serves from its start: what runs and is well, until something else is led to.
    fn first_routes(&self, component: &Component, matching: &Matching) -> RouteChange {
        let mut entries = component.entries.clone();
        entries.retain(|entry| entry.listen.is_inside());
        let all = matching.kept().map(|(_, container)| container).chain(matching.obsolete());
        // What this deployment has started, before a crash, may be on its way only: nothing but a health check tells.
        let is_ready = |container: &&ObservedContainer| {
            let is_new = container.deployment.is_some() && container.deployment == self.wanted.deployment;
            container.is_well() && (!is_new || container.health == Health::Healthy)
        };
        let well: Vec<&ObservedContainer> = all.filter(is_ready).collect();
        let now = self.routes(&component.name);
        let leads_to = |routes: &ComponentRoutes| {
            let mut served = routes.releases.iter().flat_map(|release| &release.replicas).peekable();
            served.peek().is_some() && served.all(|replica| well.iter().any(|container| container.id == replica.id))
        };
        let shares: Vec<Share> = match now.filter(|routes| leads_to(routes)) {
            Some(routes) => self.shares_now(routes),
            None if well.is_empty() => Vec::new(),
            None => self.shares(&[], &well, None),
        };
        let held = now.is_some_and(|routes| routes.held);
        let sticky = super::serving::sticky(component);
        RouteChange { component: component.name.clone(), entries, shares, held, sticky, others: Vec::new() }
    }

    /// Whether anything can lead to the component: the edge, or a front.
    pub(super) fn can_lead(&self, component: &Component) -> bool {
        component.is_fronted() || (!component.entries.is_empty() && self.edge().is_some())
    }

    /// The container gets new requests, from the edge or from the front, or will when the front is started.
    pub(super) fn gets_requests(&self, name: &ComponentName, id: &str) -> bool {
        let led = self.led.get(name).into_iter().flat_map(|(change, _)| &change.shares);
        let mut led = led.flat_map(|share| &share.replicas);
        let from_front = self.observed.fronts.iter().filter(|front| front.container.component == *name);
        let mut from_front = from_front.filter_map(|front| front.routes.as_ref());
        led.any(|(target, _)| target.existing() == Some(id))
            || self.edge().is_some_and(|edge| edge.serves(name, id))
            || from_front.any(|routes| routes.serving().any(|replica| replica.id == id))
    }

    /// A replica whose component has a front that may have led to it.
    pub(super) fn may_have_calls(&self, container: &ObservedContainer) -> bool {
        let is_replica = self.observed.containers.iter().any(|other| other.id == container.id);
        is_replica && container.is_running() && self.fronts.contains_key(&container.component)
    }

    /// Replicas that own the name beside its front: whoever looks it up might find them. They go once the front leads on.
    pub(super) fn stop_owners(&mut self, component: &Component, matching: &Matching, waits: &[u32]) -> Vec<u32> {
        if !component.is_fronted() {
            return Vec::new();
        }
        let owners = matching.obsolete().filter(|c| is_up(c) && !c.fronted && !self.stops.contains_key(&c.id));
        let owners: Vec<&ObservedContainer> = owners.collect();
        let cause = "the name is the front's from now on";
        owners.into_iter().map(|container| self.stop(container, cause, waits.to_vec())).collect()
    }

    /// Fronts that the name is taken from: by another one, or by the replicas themselves, once those are there. Their callers
    /// look again right after it.
    pub(super) fn stop_left_front(&mut self, component: &Component, waits: &[u32]) -> Vec<u32> {
        let current = self.fronts.get(&component.name).map(|front| front.current.map(|current| &current.container.id));
        let observed = self.observed;
        let own =
            observed.fronts.iter().map(|front| &front.container).filter(|c| c.component == component.name && is_up(c));
        let left = own.filter(|c| current != Some(Some(&c.id)));
        let cause = match current {
            Some(_) => "another front owns the name from now on",
            None => "its component has its name itself from now on; callers look it up again, this once",
        };
        left.map(|front| {
            let action = Action::StopContainer { target: existing(front), grace: None };
            let step = self.draft.add(Some(&component.name), &front.name, action, cause, Phase::Deploy, waits.to_vec());
            self.stops.insert(front.id.clone(), step);
            step
        })
        .collect()
    }

    /// In phase clean: fronts of components that have none any more, or another one. Returns the steps by component.
    pub(super) fn remove_left_fronts(&mut self) -> BTreeMap<ComponentName, u32> {
        let observed = self.observed;
        let mut steps = BTreeMap::new();
        for front in observed.fronts.iter().map(|front| &front.container) {
            let kept = self.fronts.get(&front.component).and_then(|kept| kept.current);
            if kept.is_some_and(|kept| kept.container.id == front.id) {
                continue;
            }
            let cause = match self.release.stack.components.contains_key(&front.component) {
                true => "it owns no name any more",
                false => "the Compose file no longer has its component",
            };
            steps.insert(front.component.clone(), self.retire(front, cause, &[]));
        }
        steps
    }
}

pub(super) fn subject(name: &ComponentName) -> String {
    format!("front of {name}")
}

#[cfg(test)]
mod tests;
