//! What a release answered, and how fast. Each worker counts for itself; whoever reads adds up.

use crate::model::ReleaseTraffic;
use hdrhistogram::Histogram;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Answers that took longer count as this.
const LONGEST_US: u64 = 3_600_000_000;
/// Latencies are exact to 1 %.
const DIGITS: u8 = 2;

pub struct ReleaseCounts(Box<[Mutex<Shard>]>);

struct Shard {
    requests: u64,
    status_classes: [u64; 5],
    failed: u64,
    latency_us: Histogram<u64>,
}

impl ReleaseCounts {
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::new(Shard::new())).collect())
    }

    pub fn answered(&self, worker: usize, status: http::StatusCode, took: Duration) {
        self.count(worker, |shard| {
            shard.requests += 1;
            if let Some(class) = shard.status_classes.get_mut(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
                *class += 1;
            }
            let took_us = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
            shard.latency_us.saturating_record(took_us.clamp(1, LONGEST_US));
        });
    }

    /// No answer came.
    pub fn failed(&self, worker: usize) {
        self.count(worker, |shard| {
            shard.requests += 1;
            shard.failed += 1;
        });
    }

    /// An answer that was counted broke off.
    pub fn broke_off(&self, worker: usize) {
        self.count(worker, |shard| shard.failed += 1);
    }

    fn count(&self, worker: usize, count: impl FnOnce(&mut Shard)) {
        if let Some(shard) = self.0.get(worker) {
            count(&mut locked(shard));
        }
    }

    pub fn read(&self) -> ReleaseTraffic {
        let mut sum = ReleaseTraffic::default();
        let mut latency = Shard::new().latency_us;
        for shard in &self.0 {
            let shard = locked(shard);
            sum.requests += shard.requests;
            sum.failed += shard.failed;
            for (sum, count) in sum.status_classes.iter_mut().zip(shard.status_classes) {
                *sum += count;
            }
            // Equal bounds: it cannot fail.
            let _ = latency.add(&shard.latency_us);
        }
        sum.latency_us =
            latency.iter_recorded().map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect();
        sum
    }
}

impl Shard {
    fn new() -> Self {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are in order");
        Self { requests: 0, status_classes: [0; 5], failed: 0, latency_us }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_counts_add_up() {
        let counts = ReleaseCounts::new(2);
        counts.answered(0, http::StatusCode::OK, Duration::from_micros(50));
        counts.answered(1, http::StatusCode::OK, Duration::from_micros(50));
        counts.answered(1, http::StatusCode::BAD_GATEWAY, Duration::from_micros(900));
        counts.failed(0);
        counts.broke_off(1);
        let read = counts.read();
        assert_eq!((read.requests, read.failed, read.status_classes), (4, 2, [0, 2, 0, 0, 1]));
        assert_eq!(read.latency_us[0], (50, 2));
        assert_eq!(read.latency_us.len(), 2);
        assert!((895..=909).contains(&read.latency_us[1].0), "{:?}", read.latency_us);
    }
}
