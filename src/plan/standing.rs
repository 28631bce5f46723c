//! How it stands with each component of the live release while nothing is deployed.

use super::goal::{Goal, Wanted};
use super::relations::Relations;
use super::slots::{is_accepted, match_containers};
use crate::model::{
    Component, ComponentName, ContainerState, Ending, Health, Observed, ObservedContainer, RestartPolicy,
};
use std::collections::BTreeMap;

/// Where one replica stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing<'a> {
    Up(&'a ObservedContainer),
    /// It ended, and the engine is about to start it again.
    Restarting(&'a ObservedContainer),
    /// It ended, or never started, and nobody else starts it.
    Died(&'a ObservedContainer),
    /// Somebody stopped or paused it.
    ByHand(&'a ObservedContainer),
    /// It ended well, and the Compose file lets it (`restart: "no"` or `on-failure`).
    Ended(&'a ObservedContainer),
    /// No container is there for it.
    Missing,
}

impl<'a> Standing<'a> {
    /// The container, where there is one.
    pub fn container(self) -> Option<&'a ObservedContainer> {
        match self {
            Self::Up(c) | Self::Restarting(c) | Self::Died(c) | Self::ByHand(c) | Self::Ended(c) => Some(c),
            Self::Missing => None,
        }
    }
}

/// A component, replica by replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentStanding<'a> {
    pub component: &'a Component,
    /// It is meant to end: nothing has to run.
    pub is_job: bool,
    pub replicas: BTreeMap<u32, Standing<'a>>,
    /// Containers of the component that run and are not of the live release.
    pub others: Vec<&'a ObservedContainer>,
}

impl ComponentStanding<'_> {
    /// The component's name.
    pub fn name(&self) -> &ComponentName {
        &self.component.name
    }

    /// How many replicas should run.
    pub fn wanted(&self) -> u32 {
        if self.is_job { 0 } else { self.component.replicas }
    }

    /// How many do.
    pub fn running(&self) -> u32 {
        let up = |standing: &&Standing| matches!(standing, Standing::Up(_));
        u32::try_from(self.replicas.values().filter(up).count()).unwrap_or(u32::MAX)
    }

    /// Every replica runs, and no health check says otherwise.
    pub fn is_well(&self) -> bool {
        self.replicas.values().all(|standing| match standing {
            Standing::Up(container) => matches!(container.health, Health::None | Health::Healthy),
            Standing::Ended(_) => true,
            _ => false,
        })
    }

    /// How often the engine started its containers again.
    pub fn restarts(&self) -> u64 {
        self.replicas.values().filter_map(|standing| standing.container()).map(|c| c.restart_count).sum()
    }
}

/// Components of the wanted release, by name. `endings` has how containers came to their end, by their id.
pub fn standings<'a>(
    wanted: &Wanted<'a>,
    observed: &'a Observed,
    endings: &BTreeMap<String, Ending>,
) -> Vec<ComponentStanding<'a>> {
    let Some(release) = wanted.release else { return Vec::new() };
    let backwards = Wanted { goal: Goal::PutBack, ..wanted.clone() };
    let relations = Relations::of(&release.stack);
    let components = release.stack.components.values().map(|component| {
        let is_job = relations.is_job(&component.name) || component.settings.job;
        let matching = match_containers(&backwards, &relations, release, component, observed);
        // What is of no use to a deployment as it is, may be what somebody wants here: paused, or taken off a network.
        let is_its =
            |c: &ObservedContainer| c.fingerprint.as_ref().is_some_and(|f| is_accepted(wanted, release, component, f));
        let is_changed = |c: &&ObservedContainer| is_its(c) && is_up(c);
        let missing = matching.missing().map(|(replica, predecessor)| {
            (
                replica,
                match predecessor.filter(is_changed) {
                    Some(container) if container.state == ContainerState::Paused => Standing::ByHand(container),
                    Some(container) => Standing::Up(container),
                    None => Standing::Missing,
                },
            )
        });
        let kept = matching.kept().map(|(replica, container)| {
            let ending = endings.get(&container.id).copied().unwrap_or(Ending::Unknown);
            (replica, of_container(container, component.container.restart, ending))
        });
        let others = matching.obsolete().filter(|c| is_up(c) && !is_changed(c));
        ComponentStanding { component, is_job, replicas: kept.chain(missing).collect(), others: others.collect() }
    });
    components.collect()
}

fn of_container(container: &ObservedContainer, policy: Option<RestartPolicy>, ending: Ending) -> Standing<'_> {
    match container.state {
        ContainerState::Running => Standing::Up(container),
        ContainerState::Restarting => Standing::Restarting(container),
        ContainerState::Paused => Standing::ByHand(container),
        ContainerState::Created | ContainerState::Dead => Standing::Died(container),
        ContainerState::Exited { code } => match (ending, policy) {
            (Ending::WithEngine, _) => Standing::Died(container),
            (Ending::Told, _) => Standing::ByHand(container),
            (Ending::Unknown, Some(policy)) if was_stopped(container, code, policy) => Standing::ByHand(container),
            (_, Some(RestartPolicy::No | RestartPolicy::OnFailure { .. })) if code == 0 => Standing::Ended(container),
            _ => Standing::Died(container),
        },
    }
}

/// Nobody saw how it ended: where its restart policy would have started it again, somebody stopped it.
fn was_stopped(container: &ObservedContainer, code: i64, policy: RestartPolicy) -> bool {
    // The engine's own codes for what it could not start: no policy goes on after that.
    let could_not_start = (125..=128).contains(&code);
    !could_not_start
        && match policy {
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { max_retries } => {
                code != 0 && max_retries.is_none_or(|most| container.restart_count < u64::from(most))
            }
            RestartPolicy::No => false,
        }
}

fn is_up(container: &ObservedContainer) -> bool {
    use ContainerState::{Paused, Restarting, Running};
    matches!(container.state, Running | Paused | Restarting)
}

#[cfg(test)]
pub(super) mod tests;
