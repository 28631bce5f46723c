//! Slots for builds, over all projects: going back first, then the project with the fewest builds under way
//! (`plan::shares`), and of its builds the one with the longest path to the end of its deployment. What has waited counts
//! like path, and so does a higher priority, so that nobody waits for ever.

use crate::model::ProjectName;
use crate::plan::shares::Shares;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Cheap to clone; all clones give out the same slots.
#[derive(Clone)]
pub struct BuildSlots {
    inner: Arc<Mutex<Inner>>,
    start: Instant,
}

struct Inner {
    shares: Shares,
    waiting: BTreeMap<Key, Waiting>,
    came: u64,
}

/// Those that go back first; by when they came less their path and priority, in milliseconds; and then by who came first: an
/// order that time does not change.
type Key = (bool, i128, u64);

struct Waiting {
    project: ProjectName,
    tell: oneshot::Sender<Slot>,
}

/// What a step of priority counts like: production's 10 are worth ten minutes of waiting.
const OF_A_PRIORITY: Duration = Duration::from_secs(60);

/// How urgent a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Urgency {
    /// The longest path from here to the end of the deployment.
    pub path: Duration,
    /// Of the environment.
    pub priority: i8,
    pub goes_back: bool,
}

/// What somebody who asked for a slot has.
pub enum Asked {
    Has(Slot),
    Waits(oneshot::Receiver<Slot>),
}

impl Asked {
    /// Waits for a slot, which is held until it is dropped.
    pub async fn slot(self) -> Slot {
        match self {
            Asked::Has(slot) => slot,
            Asked::Waits(hear) => match hear.await {
                Ok(slot) => slot,
                // The sender stands in `waiting` until it has sent.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// A slot; free again when dropped.
pub struct Slot {
    slots: BuildSlots,
    project: ProjectName,
}

impl BuildSlots {
    /// So many builds at once.
    pub fn new(slots: usize) -> Self {
        let inner = Inner { shares: Shares::new(slots, 1), waiting: BTreeMap::new(), came: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), start: Instant::now() }
    }

    /// Takes a slot, or a place in the line for one; both are given back by dropping them. `projects`: how many there are
    /// in the settings.
    pub fn ask(&self, project: &ProjectName, urgency: Urgency, projects: usize) -> Asked {
        let mut inner = self.lock();
        inner.shares.set_projects(projects);
        let Urgency { path, priority, goes_back } = urgency;
        if inner.may_take(project, goes_back) {
            inner.shares.take(project);
            return Asked::Has(Slot { slots: self.clone(), project: project.clone() });
        }
        let (tell, hear) = oneshot::channel();
        let milliseconds = |time: Duration| i128::try_from(time.as_millis()).unwrap_or(i128::MAX / 2);
        let ahead = milliseconds(path) + i128::from(priority) * milliseconds(OF_A_PRIORITY);
        let key = (!goes_back, milliseconds(self.start.elapsed()) - ahead, inner.came);
        inner.came += 1;
        inner.waiting.insert(key, Waiting { project: project.clone(), tell });
        Asked::Waits(hear)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Going back is what the operator asks for, and no part of a project's share.
    fn may_take(&self, project: &ProjectName, goes_back: bool) -> bool {
        if goes_back { self.shares.any_is_free() } else { self.shares.may_take(project) }
    }

    /// Takes out of the line who has the next slot.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|_, one| !one.tell.is_closed());
        let may = self.waiting.iter().filter(|(key, one)| self.may_take(&one.project, !key.0));
        let first = may.min_by_key(|(key, one)| (key.0, if key.0 { self.shares.of(&one.project) } else { 0 }, **key));
        let key = *first?.0;
        self.waiting.remove(&key)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut inner = self.slots.lock();
            inner.shares.give_back(&self.project);
            let next = inner.next();
            if let Some(next) = &next {
                inner.shares.take(&next.project);
            }
            next
        };
        // Who goes away in this moment gives the slot back at once, to the next one: dropped outside of the lock.
        if let Some(Waiting { project, tell }) = next {
            let _ = tell.send(Slot { slots: self.slots.clone(), project });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    /// A waiter that stands in line.
    fn wait(slots: &BuildSlots, path_seconds: u64) -> BoxFuture<'static, Slot> {
        wait_as(slots, path(path_seconds))
    }

    fn path(seconds: u64) -> Urgency {
        Urgency { path: Duration::from_secs(seconds), ..Urgency::default() }
    }

    fn wait_as(slots: &BuildSlots, urgency: Urgency) -> BoxFuture<'static, Slot> {
        wait_of("shop", slots, urgency)
    }

    fn wait_of(project: &str, slots: &BuildSlots, urgency: Urgency) -> BoxFuture<'static, Slot> {
        let mut waiting = ask(slots, project, urgency).slot().boxed();
        assert!((&mut waiting).now_or_never().is_none(), "there was a slot");
        waiting
    }

    /// Of three projects.
    fn ask(slots: &BuildSlots, project: &str, urgency: Urgency) -> Asked {
        slots.ask(&ProjectName::new(project).unwrap(), urgency, 3)
    }

    fn has(asked: Asked) -> Slot {
        match asked {
            Asked::Has(slot) => slot,
            Asked::Waits(_) => panic!("there was no slot"),
        }
    }

    #[tokio::test]
    async fn the_longest_path_gets_the_next_slot() {
        let slots = BuildSlots::new(1);
        let first = ask(&slots, "shop", path(0)).slot().await;
        let (mut short, mut long, mut equal) = (wait(&slots, 10), wait(&slots, 600), wait(&slots, 10));
        drop(first);
        assert!((&mut short).now_or_never().is_none());
        let second = (&mut long).now_or_never().expect("the longest path");
        drop(second);
        assert!((&mut equal).now_or_never().is_none());
        let third = (&mut short).now_or_never().expect("who came first of equals");
        drop(third);
        assert!((&mut equal).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_has_waited_long_enough_comes_before_a_longer_path() {
        let mut slots = BuildSlots::new(1);
        let _first = ask(&slots, "shop", path(0)).slot().await;
        let mut short = wait(&slots, 10);
        // As if the others came ten minutes later.
        slots.start -= Duration::from_secs(600);
        let _long = wait(&slots, 500);
        drop(_first);
        assert!((&mut short).now_or_never().is_some());
    }

    #[tokio::test]
    async fn going_back_comes_first_and_a_priority_counts_like_waiting() {
        let slots = BuildSlots::new(1);
        let first = ask(&slots, "shop", path(0)).slot().await;
        let mut staging = wait(&slots, 900);
        let mut production = wait_as(&slots, Urgency { priority: 10, ..path(400) });
        let mut back = wait_as(&slots, Urgency { goes_back: true, ..path(1) });
        drop(first);
        let second = (&mut back).now_or_never().expect("what goes back");
        drop(second);
        let third = (&mut production).now_or_never().expect("400 s and ten minutes are more than 900 s");
        drop(third);
        assert!((&mut staging).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_slot_along() {
        let slots = BuildSlots::new(1);
        let first = ask(&slots, "shop", path(0)).slot().await;
        let (gone, told, mut last) = (wait(&slots, 30), wait(&slots, 20), wait(&slots, 10));
        drop(gone);
        drop(first);
        // It was given the slot and has not looked.
        drop(told);
        let slot = (&mut last).now_or_never().expect("the slot of those that went away");
        drop(slot);
        assert!(ask(&slots, "shop", path(0)).slot().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_project_with_builds_of_hours_does_not_hold_up_another() {
        let slots = BuildSlots::new(2);
        let (first, _second) = (has(ask(&slots, "evil", path(0))), has(ask(&slots, "evil", path(0))));
        let mut more: Vec<_> = (0..20).map(|_| wait_of("evil", &slots, path(1_000_000))).collect();
        let mut shop = wait_of("shop", &slots, path(1));
        drop(first);
        let slot =
            (&mut shop).now_or_never().expect("who has nothing under way is next, however long others' paths are");
        // And again, when its slot is free: of equals the longest path.
        let (mut blog, mut again) = (wait_of("blog", &slots, path(1)), wait_of("shop", &slots, path(1)));
        drop(slot);
        let slot = (&mut blog).now_or_never().expect("who has nothing under way");
        drop(slot);
        let _again = (&mut again).now_or_never().expect("who has nothing under way, again");
        assert!(more.iter_mut().all(|one| one.now_or_never().is_none()));
    }

    #[tokio::test]
    async fn the_last_of_three_slots_is_kept_for_another_project() {
        let slots = BuildSlots::new(3);
        let (first, second) = (has(ask(&slots, "evil", path(0))), has(ask(&slots, "evil", path(0))));
        let mut third = wait_of("evil", &slots, path(1_000_000));
        let shop = has(ask(&slots, "shop", path(0)));
        drop(shop);
        assert!((&mut third).now_or_never().is_none(), "the slot was another's, and is kept for the next");
        // What the operator takes back needs no share.
        drop(has(ask(&slots, "evil", Urgency { goes_back: true, ..path(0) })));
        drop(first);
        assert!((&mut third).now_or_never().is_some());
        drop(second);
        // Where there is no other project, one may have all.
        let alone = BuildSlots::new(3);
        let all: Vec<_> = (0..3).map(|_| has(alone.ask(&ProjectName::new("shop").unwrap(), path(0), 1))).collect();
        assert_eq!(all.len(), 3);
    }
}
