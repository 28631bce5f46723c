//! How often the log hears of the same thing: what strangers or a broken app can cause by the thousand must not fill it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// One line in so much time.
#[derive(Default)]
pub struct LogPace(Mutex<LastLine>);

#[derive(Default)]
struct LastLine {
    last: Option<Instant>,
    left_out: u64,
}

impl LogPace {
    /// `Some`: it is to be told now, and so many were not told since the last one.
    pub fn next(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
            told.left_out += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_is_told_and_how_many_were_not() {
        let (pace, start) = (LogPace::default(), Instant::now());
        let at = |seconds| pace.next(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(9), at(10), at(11), at(40)], [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
