//! Whose turn it is: the order in which what waits gets the slots for deployments, across all projects.
//!
//! Three turns of four go by priority: of those with the highest, the project with the fewest deployments under way, then
//! the one that was served longest ago. The fourth goes by the same rule to what has a lower one, whatever that is: so
//! production goes first, and even where more of it comes than can be served, the rest does not wait for ever. A project
//! that asks for much takes turns from itself, not from others.

use crate::model::{DeploymentId, ProjectName};
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Each turn with a number that this divides goes to what has not the highest priority, where such a one waits.
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

/// A project's place among the others; the smallest is next. The priority is 0 for all where it does not count.
type Place = (Reverse<i8>, usize, i64, DeploymentId);

/// What one project has waiting, as places in the list of all. What was taken is passed over.
#[derive(Default)]
struct Own {
    by_priority: Vec<usize>,
    by_age: Vec<usize>,
    /// How far each list has been passed over.
    passed: (usize, usize),
    running: usize,
    last: i64,
}

impl Own {
    /// The next of the highest priority, and its place.
    fn highest(&mut self, ready: &[Ready], taken: &[bool]) -> Option<(Place, usize)> {
        while self.by_priority.get(self.passed.0).is_some_and(|at| taken[*at]) {
            self.passed.0 += 1;
        }
        let at = *self.by_priority.get(self.passed.0)?;
        Some(((Reverse(ready[at].priority), self.running, self.last, ready[at].id), at))
    }

    /// The oldest whose priority is below `top`, and its place. What is passed over for its priority never counts again:
    /// `top` only falls once all that has it is taken.
    fn below(&mut self, top: i8, ready: &[Ready], taken: &[bool]) -> Option<(Place, usize)> {
        while self.by_age.get(self.passed.1).is_some_and(|at| taken[*at] || ready[*at].priority >= top) {
            self.passed.1 += 1;
        }
        let at = *self.by_age.get(self.passed.1)?;
        Some(((Reverse(0), self.running, self.last, ready[at].id), at))
    }
}

/// The first `most` turns, in order. Takes n log n for n that wait.
pub fn turns(ready: &[Ready], given: &Given, most: usize) -> Vec<DeploymentId> {
    let mut left: BTreeMap<i8, usize> = BTreeMap::new();
    let mut owns = own_lists(ready, given);
    let mut taken = vec![false; ready.len()];
    for one in ready {
        *left.entry(one.priority).or_default() += 1;
    }
    let top = |left: &BTreeMap<i8, usize>| left.keys().next_back().copied();
    // A project's place in a heap may be an older one. It only gets later, so it is put right when it comes up.
    let mut highest: BinaryHeap<Reverse<(Place, usize)>> = BinaryHeap::new();
    let mut below: BinaryHeap<Reverse<(Place, usize)>> = BinaryHeap::new();
    for (project, own) in owns.iter_mut().enumerate() {
        highest.extend(own.highest(ready, &taken).map(|(place, _)| Reverse((place, project))));
        let lower = top(&left).and_then(|top| own.below(top, ready, &taken));
        below.extend(lower.map(|(place, _)| Reverse((place, project))));
    }
    let newest = given.last.values().copied().max().unwrap_or(0);
    let mut order = Vec::with_capacity(most.min(ready.len()));
    while order.len() < most
        && let Some(top) = top(&left)
    {
        let turn = given.turns + order.len() as u64 + 1;
        let is_fair = turn.is_multiple_of(FAIR_TURN) && left.len() > 1;
        let heap = if is_fair { &mut below } else { &mut highest };
        let Some(Reverse((noted, project))) = heap.pop() else { break };
        let own = &mut owns[project];
        let next = |own: &mut Own, taken: &[bool]| match is_fair {
            true => own.below(top, ready, taken),
            false => own.highest(ready, taken),
        };
        let Some((place, at)) = next(own, &taken) else { continue };
        if place != noted {
            heap.push(Reverse((place, project)));
            continue;
        }
        taken[at] = true;
        own.running += 1;
        own.last = newest.saturating_add(1 + i64::try_from(order.len()).unwrap_or(i64::MAX));
        heap.extend(next(own, &taken).map(|(place, _)| Reverse((place, project))));
        if let Entry::Occupied(mut count) = left.entry(ready[at].priority) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        order.push(ready[at].id);
    }
    order
}

fn own_lists(ready: &[Ready], given: &Given) -> Vec<Own> {
    let mut owns: Vec<Own> = Vec::new();
    let mut numbers: HashMap<&ProjectName, usize> = HashMap::new();
    for (at, one) in ready.iter().enumerate() {
        let number = *numbers.entry(&one.project).or_insert_with(|| {
            let running = given.running.get(&one.project).copied().unwrap_or(0);
            let last = given.last.get(&one.project).copied().unwrap_or(i64::MIN);
            owns.push(Own { running, last, ..Own::default() });
            owns.len() - 1
        });
        owns[number].by_age.push(at);
    }
    for own in &mut owns {
        own.by_age.sort_unstable_by_key(|at| ready[*at].id);
        own.by_priority = own.by_age.clone();
        own.by_priority.sort_by_key(|at| Reverse(ready[*at].priority));
    }
    owns
}

#[cfg(test)]
mod tests;
