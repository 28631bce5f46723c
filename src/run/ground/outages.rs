//! When the engine went away and came back: what ended then, ended with it, and nobody stopped it.

use crate::model::ObservedContainer;
use crate::run::ground::ids::now_ms;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An engine that ends stops its containers first, within its own 15 s, and may still answer meanwhile.
const LAST_STOPS: Duration = Duration::from_secs(20);
/// An engine that has just begun still ends what a killed one left running.
const FIRST_STOPS: Duration = Duration::from_secs(10);
/// How long it takes at most until an engine that ends is heard no more.
const HEARD_WITHIN: Duration = Duration::from_millis(800);
const KEPT: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Outage {
    lost_ms: i64,
    /// `None`: it is away.
    back_ms: Option<i64>,
}

/// The last few.
#[derive(Debug, Default)]
pub struct Outages(Mutex<VecDeque<Outage>>);

impl Outages {
    /// The engine does not answer from now on.
    pub fn lost(&self) {
        self.lost_at(now_ms());
    }

    fn lost_at(&self, now_ms: i64) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if outages.back().is_some_and(|last| last.back_ms.is_none()) {
            return;
        }
        outages.push_back(Outage { lost_ms: now_ms, back_ms: None });
        if outages.len() > KEPT {
            outages.pop_front();
        }
    }

    /// It answers again.
    pub fn back(&self) {
        self.back_at(now_ms());
    }

    fn back_at(&self, now_ms: i64) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = outages.back_mut() {
            last.back_ms.get_or_insert(now_ms);
        }
    }

    /// It was there all the time: only nothing was heard of it.
    pub fn was_none(&self) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if outages.back().is_some_and(|last| last.back_ms.is_none()) {
            outages.pop_back();
        }
    }

    /// When the engine was lost the last time (Unix time in milliseconds).
    pub fn latest_ms(&self) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).back().map(|last| last.lost_ms)
    }

    /// Whether what ended at this moment (Unix time in milliseconds) ended with the engine.
    pub fn explain(&self, ended_ms: i64) -> bool {
        let outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let around = |outage: &Outage| {
            ended_ms >= outage.lost_ms - LAST_STOPS.as_millis() as i64
                && outage.back_ms.is_none_or(|back| ended_ms <= back + FIRST_STOPS.as_millis() as i64)
        };
        outages.iter().any(around)
    }

    /// Whether a container's last run ended so.
    pub fn explain_end_of(&self, container: &ObservedContainer) -> bool {
        container.ended_ms.is_some_and(|at| self.explain(at))
    }

    /// The same of something that has just ended: the end of the engine may be heard only a moment later.
    pub async fn explain_what_just_ended(&self) -> bool {
        let ended = now_ms();
        let end = tokio::time::Instant::now() + HEARD_WITHIN;
        loop {
            if self.explain(ended) {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_around_an_outage_ended_with_the_engine() {
        let outages = Outages::default();
        assert!(!outages.explain(100_000));
        outages.lost_at(100_000);
        outages.lost_at(101_000);
        assert!(!outages.explain(79_000));
        assert!(outages.explain(85_000));
        assert!(outages.explain(900_000), "it is still away");
        outages.back_at(105_000);
        outages.back_at(200_000);
        outages.lost_at(300_000);
        outages.was_none();
        outages.was_none();
        assert!(!outages.explain(300_000));
        assert!(outages.explain(114_000));
        assert!(!outages.explain(116_000));
    }

    #[tokio::test]
    async fn an_end_that_is_heard_a_moment_later_counts() {
        let outages = Outages::default();
        assert!(!outages.explain_what_just_ended().await);
        let (explained, ()) = tokio::join!(outages.explain_what_just_ended(), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            outages.lost();
        });
        assert!(explained);
    }
}
