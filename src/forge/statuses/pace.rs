//! How fast a forge may be asked to create things, before it says so.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Two token buckets: a burst and a sustained rate for the minute and for the hour. In any minute or hour no more than
/// burst + rate are let through.
#[derive(Debug)]
pub struct Pace {
    buckets: Mutex<[Bucket; 2]>,
}

#[derive(Debug)]
struct Bucket {
    burst: f64,
    per_second: f64,
    left: f64,
    at: Option<Instant>,
}

impl Pace {
    /// GitHub lets about 80 content-creating calls through in a minute and 500 in an hour
    /// (docs.github.com, "Rate limits for the REST API"): 20 + 60, and 250 + 250.
    pub fn github() -> Self {
        let bucket =
            |burst: f64, rate: f64, seconds: f64| Bucket { burst, per_second: rate / seconds, left: burst, at: None };
        Self { buckets: Mutex::new([bucket(20.0, 60.0, 60.0), bucket(250.0, 250.0, 3600.0)]) }
    }

    /// Takes one call, or says how long to wait for it. What can wait (`spare` above 0.0) leaves that share of each
    /// burst to what cannot: finals go first when it gets tight.
    pub fn take(&self, now: Instant, spare: f64) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = 0.0_f64;
        for bucket in buckets.iter_mut() {
            if let Some(at) = bucket.at {
                let gained = now.saturating_duration_since(at).as_secs_f64() * bucket.per_second;
                bucket.left = (bucket.left + gained).min(bucket.burst);
            }
            bucket.at = Some(bucket.at.map_or(now, |at| at.max(now)));
            let wanted = 1.0 + bucket.burst * spare;
            wait = wait.max((wanted - bucket.left) / bucket.per_second);
        }
        // A nanosecond of rounding must not cost another round.
        if wait > 1e-6 {
            return Err(Duration::from_secs_f64(wait));
        }
        for bucket in buckets.iter_mut() {
            bucket.left -= 1.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_through(pace: &Pace, start: Instant, seconds: u64, spare: f64) -> usize {
        (0..seconds * 10).filter(|tenth| pace.take(start + Duration::from_millis(tenth * 100), spare).is_ok()).count()
    }

    #[test]
    fn never_more_than_80_in_a_minute_and_500_in_an_hour() {
        let start = Instant::now();
        let pace = Pace::github();
        let first_minute = let_through(&pace, start, 60, 0.0);
        assert!((78..=80).contains(&first_minute), "{first_minute}");
        let pace = Pace::github();
        let first_hour = let_through(&pace, start, 3600, 0.0);
        assert!((490..=500).contains(&first_hour), "{first_hour}");
    }

    #[test]
    fn what_can_wait_leaves_room_for_finals() {
        let now = Instant::now();
        let pace = Pace::github();
        while pace.take(now, 0.25).is_ok() {}
        assert_eq!((0..20).filter(|_| pace.take(now, 0.0).is_ok()).count(), 5);
    }

    #[test]
    fn the_wait_it_names_is_long_enough() {
        let now = Instant::now();
        let pace = Pace::github();
        while pace.take(now, 0.0).is_ok() {}
        let wait = pace.take(now, 0.0).unwrap_err();
        assert!(wait <= Duration::from_millis(1001), "{wait:?}");
        assert_eq!(pace.take(now + wait, 0.0), Ok(()));
    }
}
