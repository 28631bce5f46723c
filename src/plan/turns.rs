//! Whose turn it is: the order in which what waits gets the slots for deployments, across all projects.
//!
//! Three turns of four go by priority: of those with the highest, the project with the fewest deployments under way, then
//! the one that was served longest ago. The fourth goes by that alone, whatever the priority, to the oldest of the project:
//! so production goes first and nothing waits for ever. A project that asks for much takes turns from itself, not from
//! others.

use crate::model::{DeploymentId, ProjectName};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Each turn with a number that this divides goes by fairness alone.
pub const FAIR_TURN: u64 = 4;

/// What may begin. Each environment has one at most; the older has the smaller number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub id: DeploymentId,
    pub project: ProjectName,
    /// The higher goes first.
    pub priority: i8,
}

/// What was given before.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Deployments under way that hold a slot.
    pub running: BTreeMap<ProjectName, usize>,
    /// When a deployment of the project began last, in milliseconds since 1970.
    pub last: BTreeMap<ProjectName, i64>,
    /// How many turns have been given so far.
    pub turns: u64,
}

/// A project's place among the others; the smallest is next. `priority` is 0 for all where it does not count.
type Place = (Reverse<i8>, usize, i64, DeploymentId);

/// What one project has waiting.
struct Own {
    by_priority: BTreeSet<(Reverse<i8>, DeploymentId)>,
    by_age: BTreeSet<(DeploymentId, i8)>,
    running: usize,
    last: i64,
}

impl Own {
    fn by_priority(&self) -> Option<Place> {
        self.by_priority.first().map(|(priority, id)| (*priority, self.running, self.last, *id))
    }

    fn by_age(&self) -> Option<Place> {
        self.by_age.first().map(|(id, _)| (Reverse(0), self.running, self.last, *id))
    }
}

/// The first `most` turns, in order. Takes n log n for n that wait.
pub fn turns(ready: &[Ready], given: &Given, most: usize) -> Vec<DeploymentId> {
    let mut projects: BTreeMap<&ProjectName, Own> = BTreeMap::new();
    for one in ready {
        let own = projects.entry(&one.project).or_insert_with(|| Own {
            by_priority: BTreeSet::new(),
            by_age: BTreeSet::new(),
            running: given.running.get(&one.project).copied().unwrap_or(0),
            last: given.last.get(&one.project).copied().unwrap_or(i64::MIN),
        });
        own.by_priority.insert((Reverse(one.priority), one.id));
        own.by_age.insert((one.id, one.priority));
    }
    // A project's old place stays in a heap until it comes up, and is passed over then.
    let mut by_priority: BinaryHeap<Reverse<(Place, &ProjectName)>> = BinaryHeap::new();
    let mut by_age: BinaryHeap<Reverse<(Place, &ProjectName)>> = BinaryHeap::new();
    for (&name, own) in &projects {
        by_priority.extend(own.by_priority().map(|place| Reverse((place, name))));
        by_age.extend(own.by_age().map(|place| Reverse((place, name))));
    }
    let newest = given.last.values().copied().max().unwrap_or(0);
    let mut order = Vec::with_capacity(most.min(ready.len()));
    while order.len() < most.min(ready.len()) {
        let turn = given.turns + order.len() as u64 + 1;
        let is_fair = turn.is_multiple_of(FAIR_TURN);
        let heap = if is_fair { &mut by_age } else { &mut by_priority };
        let Some(Reverse((place, name))) = heap.pop() else { break };
        let Some(own) = projects.get_mut(name) else { continue };
        if Some(place) != (if is_fair { own.by_age() } else { own.by_priority() }) {
            continue;
        }
        let id = place.3;
        let Some(priority) = ready_priority(own, id, place.0, is_fair) else { continue };
        own.by_priority.remove(&(Reverse(priority), id));
        own.by_age.remove(&(id, priority));
        own.running += 1;
        own.last = newest.saturating_add(1 + i64::try_from(order.len()).unwrap_or(i64::MAX));
        by_priority.extend(own.by_priority().map(|place| Reverse((place, name))));
        by_age.extend(own.by_age().map(|place| Reverse((place, name))));
        order.push(id);
    }
    order
}

fn ready_priority(own: &Own, id: DeploymentId, place: Reverse<i8>, is_fair: bool) -> Option<i8> {
    match is_fair {
        true => own.by_age.first().filter(|(first, _)| *first == id).map(|(_, priority)| *priority),
        false => Some(place.0),
    }
}

#[cfg(test)]
mod tests;
