//! The queue of those that wait for a replica at one way in: first come, first served.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

#[derive(Default)]
pub struct Hold {
    line: Mutex<Line>,
    /// How long the line is, for a glance.
    length: AtomicUsize,
    /// How often none of the replicas took a connection.
    refusals: AtomicU64,
}

#[derive(Default)]
struct Line {
    next_ticket: u64,
    waiting: VecDeque<(u64, Arc<Notify>)>,
    past: PastWaits,
}

/// Those that waited, however that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastWaits {
    pub count: u64,
    /// Of all together.
    pub time: Duration,
}

impl PastWaits {
    pub fn add(&mut self, other: PastWaits) {
        self.count += other.count;
        self.time += other.time;
    }
}

/// A place in the line. Dropping it lets the next one forward.
pub struct Place {
    hold: Arc<Hold>,
    ticket: u64,
    turn: Arc<Notify>,
    since: Instant,
}

impl Hold {
    /// How many wait. Whoever comes while some do waits too, else it would overtake them.
    pub fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    /// `None`: `most` wait already.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Place> {
        let mut line = self.line();
        if line.waiting.len() >= most {
            return None;
        }
        let (ticket, turn) = (line.next_ticket, Arc::new(Notify::new()));
        line.next_ticket += 1;
        line.waiting.push_back((ticket, turn.clone()));
        self.length.store(line.waiting.len(), Ordering::Release);
        Some(Place { hold: self.clone(), ticket, turn, since: Instant::now() })
    }

    /// Who waited while this number grew did so because replicas take no connections.
    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    pub fn note_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub fn past(&self) -> PastWaits {
        self.line().past
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until everybody who came before has gone on or away.
    pub async fn first(&self) {
        while !self.is_first() {
            // A turn that came between the two is kept by `Notify`.
            self.turn.notified().await;
        }
    }

    fn is_first(&self) -> bool {
        self.hold.line().waiting.front().is_some_and(|(ticket, _)| *ticket == self.ticket)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.hold.line();
        line.past.count += 1;
        line.past.time += self.since.elapsed();
        let Some(index) = line.waiting.iter().position(|(ticket, _)| *ticket == self.ticket) else { return };
        line.waiting.remove(index);
        self.hold.length.store(line.waiting.len(), Ordering::Release);
        if index == 0
            && let Some((_, next)) = line.waiting.front()
        {
            next.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn places_come_forward_in_order_also_when_one_in_the_middle_leaves() {
        let hold = Arc::new(Hold::default());
        let (one, two, three) = (hold.enter(3).unwrap(), hold.enter(3).unwrap(), hold.enter(3).unwrap());
        assert!(hold.enter(3).is_none());
        assert!(one.first().now_or_never().is_some());
        assert!(two.first().now_or_never().is_none() && three.first().now_or_never().is_none());
        drop(two);
        assert!(three.first().now_or_never().is_none());
        drop(one);
        assert!(three.first().now_or_never().is_some());
        assert_eq!(hold.len(), 1);
        assert_eq!(hold.past().count, 2, "they waited");
        drop(three);
        assert_eq!((hold.len(), hold.past().count), (0, 3));
    }
}
