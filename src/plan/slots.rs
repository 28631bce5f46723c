//! Which of the containers that are there serve as which replica of the wanted release.

use super::attached::detached;
use super::container::container_name;
use super::goal::{Goal, Wanted};
use super::relations::Relations;
use crate::model::{Component, ContainerState, Fingerprint, Health, Observed, ObservedContainer, Release};
use std::collections::BTreeMap;

/// One replica of a component.
#[derive(Debug, Clone)]
pub enum Slot<'a> {
    /// A container that is what it should be, whether it runs or not.
    Kept(&'a ObservedContainer),
    /// To be created; `predecessor` hands its unnamed volumes on.
    Missing { predecessor: Option<&'a ObservedContainer> },
}

/// A component's containers beside its replicas.
#[derive(Debug, Clone, Default)]
pub struct Matching<'a> {
    slots: BTreeMap<u32, Slot<'a>>,
    obsolete: Vec<&'a ObservedContainer>,
    /// Restart what is kept, because a dependency was replaced.
    pub restart: bool,
    is_job: bool,
    /// Whatever became of a job is left as it is: backwards no job runs.
    jobs_rest: bool,
}

impl<'a> Matching<'a> {
    /// Every replica, jobs that are done too.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Slot<'a>)> {
        self.slots.iter().map(|(replica, slot)| (*replica, slot))
    }
    /// The replicas that are to run.
    pub fn slots(&self) -> impl Iterator<Item = (u32, &Slot<'a>)> {
        self.all().filter(|(_, slot)| !self.is_done(slot))
    }
    /// Replicas that are to be created, with the container whose place each takes.
    pub fn missing(&self) -> impl Iterator<Item = (u32, Option<&'a ObservedContainer>)> {
        self.slots.iter().filter_map(|(replica, slot)| match slot {
            Slot::Missing { predecessor } => Some((*replica, *predecessor)),
            Slot::Kept(_) => None,
        })
    }
    /// Replicas whose container stays.
    pub fn kept(&self) -> impl Iterator<Item = (u32, &'a ObservedContainer)> {
        self.slots.iter().filter_map(|(replica, slot)| match slot {
            Slot::Kept(container) => Some((*replica, *container)),
            Slot::Missing { .. } => None,
        })
    }
    /// Containers that serve as no replica any more.
    pub fn obsolete(&self) -> impl Iterator<Item = &'a ObservedContainer> {
        self.obsolete.iter().copied()
    }
    /// Whether any replica is to be created.
    pub fn has_missing(&self) -> bool {
        self.missing().next().is_some()
    }
    /// Whether a container takes another's place, so that what depends on it may have to restart.
    pub fn is_replaced(&self) -> bool {
        self.has_missing() && !self.obsolete.is_empty()
    }
    /// A container that runs and is not healthy yet, or a job that has not ended.
    pub fn must_wait(&self, container: &ObservedContainer) -> bool {
        self.is_job || !container.is_well()
    }
    /// Gives up what would have been kept: every replica is created anew.
    pub fn replace_all(&mut self) {
        for slot in self.slots.values_mut() {
            if let Slot::Kept(container) = *slot {
                self.obsolete.push(container);
                *slot = Slot::Missing { predecessor: Some(container) };
            }
        }
    }
    fn is_done(&self, slot: &Slot) -> bool {
        let has_succeeded = |c: &ObservedContainer| c.state == ContainerState::Exited { code: 0 };
        self.is_job && matches!(slot, Slot::Kept(c) if self.jobs_rest || has_succeeded(c))
    }
}

/// Matches the containers of one component with its replicas.
pub(super) fn match_containers<'a>(
    wanted: &Wanted,
    relations: &Relations<'_>,
    release: &Release,
    component: &Component,
    observed: &'a Observed,
) -> Matching<'a> {
    let is_job = relations.is_job(&component.name) || component.settings.job;
    let mut all: Vec<&ObservedContainer> =
        observed.containers.iter().filter(|container| container.component == component.name).collect();
    // The best first: what serves, then what runs, then the rest; among equals the newest.
    all.sort_by_key(|c| (usefulness(c), c.created_at.clone()));
    all.reverse();

    let rerun = is_job && wanted.goal == Goal::Deploy && must_rerun(wanted, release, component, observed);
    let fits = |container: &ObservedContainer| {
        let same = container.fingerprint.as_ref().is_some_and(|f| is_accepted(wanted, release, component, f));
        let usable = !matches!(container.state, ContainerState::Dead | ContainerState::Paused);
        let job_fits = !is_job || job_counts(wanted, container, rerun);
        // Whoever has no address there cannot be led to.
        let can_be_led_to =
            component.edge_entries().next().is_none() || observed.edge.is_none() || container.edge_address.is_some();
        same && usable && job_fits && can_be_led_to && detached(release, component, container).is_empty()
    };
    let (mut fitting, mut obsolete): (Vec<_>, Vec<_>) = all.into_iter().partition(|container| fits(container));

    let mut slots: BTreeMap<u32, Slot> = BTreeMap::new();
    // First each to the number that its name has, or its label, then the rest to what is free.
    fitting.retain(|container| {
        let by_name = (1..=component.replicas).find(|n| container_name(release, component, *n) == container.name);
        let number = by_name.unwrap_or(container.replica);
        let free = (1..=component.replicas).contains(&number) && !slots.contains_key(&number);
        if free {
            slots.insert(number, Slot::Kept(container));
        }
        !free
    });
    let mut rest = fitting.into_iter();
    for replica in 1..=component.replicas {
        if slots.contains_key(&replica) {
            continue;
        }
        match rest.next() {
            Some(container) => slots.insert(replica, Slot::Kept(container)),
            None if is_job && wanted.goal == Goal::PutBack => None,
            None => {
                let predecessor = obsolete.iter().copied().find(|old| old.replica == replica);
                slots.insert(replica, Slot::Missing { predecessor })
            }
        };
    }
    obsolete.extend(rest);
    obsolete.sort_by(|a, b| a.name.cmp(&b.name));
    Matching { slots, obsolete, restart: false, is_job, jobs_rest: wanted.goal == Goal::PutBack }
}

fn usefulness(container: &ObservedContainer) -> u8 {
    match (container.state, container.health) {
        (ContainerState::Running, Health::Healthy | Health::None) => 3,
        (ContainerState::Running, _) => 2,
        (ContainerState::Restarting, _) => 1,
        _ => 0,
    }
}

/// Whether a container with this fingerprint is what the release says of the component.
pub(super) fn is_accepted(wanted: &Wanted, release: &Release, component: &Component, found: &Fingerprint) -> bool {
    release.parts.get(&component.name).is_some_and(|part| part.fingerprint == *found)
        || wanted.accepted.get(&component.name).is_some_and(|accepted| accepted.contains(found))
}

/// Whether a job's container still counts: forwards it ran for this deployment, or need not run again; backwards it is
/// not what this deployment began.
fn job_counts(wanted: &Wanted, container: &ObservedContainer, rerun: bool) -> bool {
    let of_this_deployment = wanted.deployment.is_some() && container.deployment == wanted.deployment;
    if wanted.goal == Goal::PutBack {
        return !of_this_deployment;
    }
    match container.state {
        ContainerState::Exited { code: 0 } => !rerun || of_this_deployment,
        ContainerState::Exited { .. } => false,
        _ => of_this_deployment,
    }
}

/// A job runs again when it is asked to with every release, or when something that waits for it is replaced.
fn must_rerun(wanted: &Wanted, release: &Release, job: &Component, observed: &Observed) -> bool {
    job.settings.every_release
        || release.stack.components.values().filter(|c| c.depends_on.contains_key(&job.name)).any(|dependant| {
            let current = observed.containers.iter().filter(|c| {
                c.component == dependant.name
                    && c.fingerprint.as_ref().is_some_and(|f| is_accepted(wanted, release, dependant, f))
            });
            (current.count() as u32) < dependant.replicas
        })
}
