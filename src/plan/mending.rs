//! The part of a plan that puts right what died, and leaves alone what did not.

use super::converge::LOOKS_AGAIN;
use super::converge::sharing::is_older;
use super::standing::{ComponentStanding, Standing};
use super::{Action, EngineNetworkMode, Plan, Step, Target};
use crate::model::{ComponentName, ContainerState, ObservedFront, Repair};
use std::collections::{BTreeMap, BTreeSet};

/// What may be put right now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mending {
    /// Components of which something is to be put right.
    pub components: BTreeSet<ComponentName>,
    /// Containers that are not to be started, by id.
    held: BTreeSet<String>,
    repair: Repair,
    /// Components that are left alone whatever else is done.
    left: BTreeSet<ComponentName>,
    /// Containers of fronts, by id.
    fronts: BTreeSet<String>,
}

impl Mending {
    /// `not_now`: components whose next try is yet to come. `wake`: what somebody stopped is started too.
    pub fn new(
        standings: &[ComponentStanding<'_>],
        not_now: &BTreeSet<ComponentName>,
        repair: Repair,
        wake: bool,
    ) -> Self {
        let mut mending = Self { repair, left: not_now.clone(), ..Self::default() };
        for standing in standings.iter().filter(|standing| !standing.is_job) {
            let mut is_down = false;
            let mut is_paused = false;
            for replica in standing.replicas.values() {
                match replica {
                    Standing::Missing | Standing::Died(_) => is_down = true,
                    Standing::ByHand(_) if wake => is_down = true,
                    Standing::ByHand(container) => {
                        is_paused |= container.state == ContainerState::Paused;
                        mending.held.insert(container.id.clone());
                    }
                    Standing::Ended(container) => drop(mending.held.insert(container.id.clone())),
                    Standing::Up(_) | Standing::Restarting(_) => {}
                }
            }
            // What somebody runs in its place is theirs until the next deployment.
            let is_theirs = is_paused || (!standing.others.is_empty() && repair == Repair::Died);
            if is_theirs {
                mending.left.insert(standing.name().clone());
            } else if is_down && !not_now.contains(standing.name()) {
                mending.components.insert(standing.name().clone());
            }
        }
        mending.follow(standings);
        mending
    }

    /// Fronts are put right too, whatever becomes of their components.
    pub fn and_fronts(mut self, fronts: &[ObservedFront]) -> Self {
        self.fronts = fronts.iter().map(|front| front.container.id.clone()).collect();
        self
    }

    /// What shares the network or processes of a container that is made or started anew follows it; also where somebody else started that, or
    /// the engine by itself.
    fn follow(&mut self, standings: &[ComponentStanding<'_>]) {
        for standing in standings {
            let joins = standing.component.container.joins();
            let mut owners = standings.iter().filter(|owner| joins.contains(owner.name()));
            if owners.any(|owner| self.components.contains(owner.name()) || was_left_behind(standing, owner))
                && !self.left.contains(standing.name())
            {
                self.components.insert(standing.name().clone());
            }
        }
    }

    /// The steps that do it, in the plan's order. `plan` leads all the way to the live release.
    pub fn part(&self, plan: &Plan) -> Plan {
        // A front that was made anew is found at another address by those who have looked the name up.
        let again = plan.steps.iter().filter(|step| step.cause == LOOKS_AGAIN);
        let again: BTreeSet<&ComponentName> = again.filter_map(|step| step.component.as_ref()).collect();
        let concerns = |step: &Step| match (&step.component, self.repair) {
            (Some(name), Repair::Died) => self.components.contains(name) || again.contains(name),
            (Some(name), Repair::Always) => !self.left.contains(name),
            (None, _) => true,
        };
        let existing = |target: &Target| target.existing().map(str::to_string);
        let starts = |step: &Step| match &step.action {
            Action::StartContainer(target) if concerns(step) => existing(target),
            _ => None,
        };
        let started: BTreeSet<String> =
            plan.steps.iter().filter_map(starts).filter(|id| !self.held.contains(id)).collect();
        let creates = |step: &&Step| match step.action {
            Action::CreateContainer(_) => concerns(step),
            Action::CreateFront(_) => true,
            _ => false,
        };
        let is_front = |target: &Target| target.existing().is_some_and(|id| self.fronts.contains(id));
        let is_creating = plan.steps.iter().any(|step| creates(&step));
        let kept = plan.steps.iter().filter(|step| match &step.action {
            Action::CreateNetwork(_) | Action::CreateVolume(_) | Action::FillVolume(_) => is_creating,
            Action::StartContainer(target) | Action::WaitReady { target, .. } => {
                let is_stopped_first = |id: &String| {
                    plan.steps.iter().any(|other| match &other.action {
                        Action::StopContainer { target, .. } => target.existing() == Some(id),
                        _ => false,
                    })
                };
                concerns(step) && existing(target).is_none_or(|id| started.contains(&id) || is_stopped_first(&id))
            }
            // What the edge has lost it learns again, where that is all that is wrong.
            // Nobody else starts a front.
            Action::CreateFront(_) | Action::StartFront { .. } | Action::RenewFront(_) => {
                step.component.as_ref().is_none_or(|name| !self.left.contains(name))
            }
            Action::RenameContainer { target, .. }
            | Action::StopContainer { target, .. }
            | Action::RemoveContainer(target)
                if is_front(target) =>
            {
                // Whatever else is to become of it: whoever is called by its name has no other.
                let is_another = |other: &Step| matches!(other.action, Action::CreateFront(_));
                let is_replaced = plan.steps.iter().any(|o| o.component == step.component && is_another(o));
                (is_replaced || concerns(step)) && step.component.as_ref().is_none_or(|name| !self.left.contains(name))
            }
            Action::Route(change) => {
                let others = plan.steps.iter().filter(|other| other.component == step.component && other.id != step.id);
                let is_all = others.count() == 0 && !change.held && !self.left.contains(&change.component);
                concerns(step) || is_all
            }
            _ => concerns(step),
        });
        only(plan, kept)
    }
}

/// What it shares went when the owner's container was started anew.
fn was_left_behind(sharer: &ComponentStanding<'_>, owner: &ComponentStanding<'_>) -> bool {
    let up = |standing: &ComponentStanding<'_>| match standing.replicas.first_key_value() {
        Some((_, Standing::Up(container))) => Some((*container).clone()),
        _ => None,
    };
    matches!((up(sharer), up(owner)), (Some(sharer), Some(owner)) if is_older(&sharer, &owner))
}

/// The plan with these of its steps, numbered anew; who waited for a step that is left out waits for what that one
/// waited for.
fn only<'a>(plan: &'a Plan, kept: impl Iterator<Item = &'a Step>) -> Plan {
    let kept: BTreeSet<u32> = kept.map(|step| step.id).collect();
    let number: BTreeMap<u32, u32> = kept.iter().zip(1..).map(|(old, new)| (*old, new)).collect();
    // Old id -> new ids to wait for in its place.
    let mut stands_for: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut steps = Vec::new();
    for step in &plan.steps {
        let waits: BTreeSet<u32> =
            step.waits_for.iter().filter_map(|wait| stands_for.get(wait)).flatten().copied().collect();
        match number.get(&step.id) {
            Some(new) => {
                stands_for.insert(step.id, BTreeSet::from([*new]));
                let (id, waits_for) = (*new, waits.into_iter().collect());
                steps.push(Step { id, waits_for, action: renumbered(&step.action, &number), ..step.clone() });
            }
            None => drop(stands_for.insert(step.id, waits)),
        }
    }
    Plan { steps }
}

fn renumbered(action: &Action, number: &BTreeMap<u32, u32>) -> Action {
    let target = |target: &mut Target| {
        if let Target::Created { step } = target {
            *step = number.get(step).copied().unwrap_or(*step);
        }
    };
    let mut action = action.clone();
    match &mut action {
        Action::StartContainer(of) | Action::RemoveContainer(of) | Action::RenewFront(of) => target(of),
        Action::StartFront { target: of, change } => {
            target(of);
            change.targets_mut().for_each(target);
        }
        Action::StopContainer { target: of, .. }
        | Action::RenameContainer { target: of, .. }
        | Action::Drain { target: of, .. }
        | Action::WaitReady { target: of, .. } => target(of),
        Action::Route(change) => change.targets_mut().for_each(target),
        Action::CreateContainer(spec) => {
            if let EngineNetworkMode::Container(of) = &mut spec.network {
                target(of);
            }
            spec.processes_of.iter_mut().for_each(target);
        }
        _ => {}
    }
    action
}

#[cfg(test)]
mod tests;
