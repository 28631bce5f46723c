//! A clock that is set back. What was put off until a time of day would be put off by as much again; so once the clock is
//! seen to have gone back, all of it is tried at once.

use crate::run::ground::deployer::Deployer;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clocks that are kept in step go back by less.
const A_JUMP: Duration = Duration::from_secs(5);
const LOOKS_EACH: Duration = Duration::from_secs(10);

/// Looks at the clock until the process ends.
pub async fn watch_the_clock(deployer: Arc<Deployer>) {
    let mut before = (Instant::now(), Timestamp::now());
    while !deployer.stop.is_cancelled() {
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = tokio::time::sleep(LOOKS_EACH) => {}
        }
        let now = (Instant::now(), Timestamp::now());
        if let Some(by) = set_back(before, now) {
            let message = "The clock was set back: what was put off is tried now, and windows are read again";
            tracing::warn!(by_s = by.as_secs(), "{message}");
            deployer.try_again_what_waits().await;
            deployer.bells.to_begin.notify_one();
        }
        before = now;
    }
}

/// By how much the clock went back between two looks, beyond what keeping it in step does.
fn set_back(before: (Instant, Timestamp), now: (Instant, Timestamp)) -> Option<Duration> {
    let passed = i64::try_from(now.0.duration_since(before.0).as_millis()).unwrap_or(i64::MAX);
    let shown = now.1.as_millisecond().saturating_sub(before.1.as_millisecond());
    let back = Duration::from_millis(u64::try_from(passed.saturating_sub(shown)).unwrap_or(0));
    (back > A_JUMP).then_some(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_clock_that_goes_back_is_noticed_and_one_that_goes_on_or_forward_is_not() {
        let (start, shown) = (Instant::now(), Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24));
        let later = start + Duration::from_secs(10);
        let look = |seconds: i64| set_back((start, shown), (later, shown + SignedDuration::from_secs(seconds)));
        assert_eq!(look(10), None);
        assert_eq!(look(7), None, "kept in step");
        assert_eq!(look(3600), None, "set forward: what was put off comes early, which does no harm");
        assert_eq!(look(-3590), Some(Duration::from_secs(3600)));
    }
}
