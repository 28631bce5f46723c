//! Slots for builds, over all projects: whoever has the longest path to the end of its deployment gets the next one. What
//! has waited counts like path, so that nobody waits for ever.

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
    /// By when it came less its path, in milliseconds, and then by who came first: an order that time does not change.
    waiting: BTreeMap<(i128, u64), oneshot::Sender<Slot>>,
    came: u64,
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

    /// Waits for a slot. `path` is the longest path from here to the end of the deployment.
    pub async fn acquire(&self, path: Duration) -> Slot {
        let hear = {
            let mut inner = self.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return Slot { slots: self.clone() };
            }
            let (tell, hear) = oneshot::channel();
            let milliseconds = |time: Duration| i128::try_from(time.as_millis()).unwrap_or(i128::MAX / 2);
            let key = (milliseconds(self.start.elapsed()) - milliseconds(path), inner.came);
            inner.came += 1;
            inner.waiting.insert(key, tell);
            hear
        };
        match hear.await {
            Ok(slot) => slot,
            // The sender stands in `waiting` until it has sent.
            Err(_) => std::future::pending().await,
        }
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
        let slots = slots.clone();
        let mut waiting = async move { slots.acquire(Duration::from_secs(path_seconds)).await }.boxed();
        assert!((&mut waiting).now_or_never().is_none(), "there was a slot");
        waiting
    }

    #[tokio::test]
    async fn the_longest_path_gets_the_next_slot() {
        let slots = BuildSlots::new(1);
        let first = slots.acquire(Duration::ZERO).await;
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
        let _first = slots.acquire(Duration::ZERO).await;
        let mut short = wait(&slots, 10);
        // As if the others came ten minutes later.
        slots.start -= Duration::from_secs(600);
        let _long = wait(&slots, 500);
        drop(_first);
        assert!((&mut short).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_slot_along() {
        let slots = BuildSlots::new(1);
        let first = slots.acquire(Duration::ZERO).await;
        let (gone, told, mut last) = (wait(&slots, 30), wait(&slots, 20), wait(&slots, 10));
        drop(gone);
        drop(first);
        // It was given the slot and has not looked.
        drop(told);
        let slot = (&mut last).now_or_never().expect("the slot of those that went away");
        drop(slot);
        assert!(slots.acquire(Duration::ZERO).now_or_never().is_some());
    }
}
