//! Slots for builds, over all projects: going back first, then whoever has the longest path to the end of its deployment.
//! What has waited counts like path, and so does a higher priority, so that nobody waits for ever.

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
    free: usize,
    /// Those that go back first; by when they came less their path and priority, in milliseconds; and then by who came
    /// first: an order that time does not change.
    waiting: BTreeMap<(bool, i128, u64), oneshot::Sender<Slot>>,
    came: u64,
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
}

impl BuildSlots {
    pub fn new(slots: usize) -> Self {
        let inner = Inner { free: slots, waiting: BTreeMap::new(), came: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), start: Instant::now() }
    }

    /// Takes a slot, or a place in the line for one; both are given back by dropping them.
    pub fn ask(&self, urgency: Urgency) -> Asked {
        let mut inner = self.lock();
        if inner.free > 0 {
            inner.free -= 1;
            return Asked::Has(Slot { slots: self.clone() });
        }
        let (tell, hear) = oneshot::channel();
        let milliseconds = |time: Duration| i128::try_from(time.as_millis()).unwrap_or(i128::MAX / 2);
        let Urgency { path, priority, goes_back } = urgency;
        let ahead = milliseconds(path) + i128::from(priority) * milliseconds(OF_A_PRIORITY);
        let key = (!goes_back, milliseconds(self.start.elapsed()) - ahead, inner.came);
        inner.came += 1;
        inner.waiting.insert(key, tell);
        Asked::Waits(hear)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut inner = self.slots.lock();
            let next = inner.waiting.pop_first();
            if next.is_none() {
                inner.free += 1;
            }
            next
        };
        // Who has gone away gives the slot back at once, to the next one: dropped outside of the lock.
        if let Some((_, tell)) = next {
            let _ = tell.send(Slot { slots: self.slots.clone() });
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
        let mut waiting = slots.ask(urgency).slot().boxed();
        assert!((&mut waiting).now_or_never().is_none(), "there was a slot");
        waiting
    }

    #[tokio::test]
    async fn the_longest_path_gets_the_next_slot() {
        let slots = BuildSlots::new(1);
        let first = slots.ask(path(0)).slot().await;
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
        let _first = slots.ask(path(0)).slot().await;
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
        let first = slots.ask(path(0)).slot().await;
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
        let first = slots.ask(path(0)).slot().await;
        let (gone, told, mut last) = (wait(&slots, 30), wait(&slots, 20), wait(&slots, 10));
        drop(gone);
        drop(first);
        // It was given the slot and has not looked.
        drop(told);
        let slot = (&mut last).now_or_never().expect("the slot of those that went away");
        drop(slot);
        assert!(slots.ask(path(0)).slot().now_or_never().is_some());
    }
}
