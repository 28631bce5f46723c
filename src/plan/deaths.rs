//! When what died is tried again, and from when on it counts as something that keeps dying. Times are milliseconds of
//! one clock, whichever.

use std::time::Duration;

/// From so many deaths on, without being well in between, it keeps dying.
const KEEPS_DYING: u32 = 3;
/// It is well once it has been up for this long, or for three times as long as it lived before it died.
const WELL: Duration = Duration::from_secs(30);
const WELL_AT_MOST: Duration = Duration::from_secs(600);
/// Pauses before it is put back, in seconds, by how often it died: the first time there is none.
const PAUSES_S: [i64; 8] = [0, 0, 10, 30, 60, 120, 300, 600];

/// What is remembered of one component's deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deaths {
    count: u32,
    last_ms: i64,
    up_since_ms: Option<i64>,
    /// How long it was up the last time.
    life_ms: i64,
    longest_life_ms: i64,
}

impl Deaths {
    /// Of a component that was known to keep dying before Launchway was started.
    pub fn known() -> Self {
        Self { count: KEEPS_DYING, ..Self::default() }
    }

    /// How often it has died of late.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether that is too often for it to be put back again.
    pub fn keeps_dying(&self) -> bool {
        self.count >= KEEPS_DYING
    }

    /// It has died, at this time (milliseconds since 1970).
    pub fn died(&mut self, now_ms: i64) {
        self.is_up(now_ms, false);
        let life = std::mem::take(&mut self.life_ms);
        if life < self.well_after_ms() {
            self.longest_life_ms = self.longest_life_ms.max(life);
        }
        self.count = self.count.saturating_add(1);
        self.last_ms = now_ms;
    }

    /// It was looked at: all of it runs well, or not. What has been well for long enough never died.
    pub fn is_up(&mut self, now_ms: i64, is_well: bool) {
        if !is_well {
            if let Some(since) = self.up_since_ms.take() {
                self.life_ms = now_ms - since;
            }
            return;
        }
        let since = *self.up_since_ms.get_or_insert(now_ms);
        if now_ms - since >= self.well_after_ms() {
            *self = Self { up_since_ms: Some(since), ..Self::default() };
        }
    }

    fn well_after_ms(&self) -> i64 {
        let (least, most) = (WELL.as_millis() as i64, WELL_AT_MOST.as_millis() as i64);
        self.longest_life_ms.saturating_mul(3).clamp(least, most)
    }

    /// When it may be put back: `now_ms` or before is at once.
    pub fn next_try_ms(&self) -> i64 {
        let index = (self.count as usize).min(PAUSES_S.len() - 1);
        self.last_ms + PAUSES_S[index] * 1000
    }

    /// When it will count as well, if it stays up.
    pub fn well_ms(&self) -> Option<i64> {
        self.up_since_ms.filter(|_| self.count > 0).map(|since| since + self.well_after_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000;

    #[test]
    fn what_died_once_comes_back_at_once_and_what_dies_again_waits_longer_each_time() {
        let mut deaths = Deaths::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push((deaths.next_try_ms() - deaths.last_ms) / S);
            deaths.died(deaths.next_try_ms());
        }
        assert_eq!(pauses, [0, 0, 10, 30, 60, 120, 300, 600, 600]);
    }

    #[test]
    fn what_was_fine_for_a_day_has_died_once() {
        let mut deaths = Deaths::default();
        for day in 1..10 {
            deaths.is_up(day * 86_400 * S, true);
            deaths.is_up(day * 86_400 * S + 3_600 * S, true);
            deaths.died(day * 86_400 * S + 7_200 * S);
            assert_eq!((deaths.count(), deaths.keeps_dying()), (1, false));
        }
    }

    #[test]
    fn what_dies_every_few_minutes_keeps_dying_and_is_well_after_thrice_that_time() {
        let mut deaths = Deaths::default();
        for (nth, life) in [20, 55, 120].into_iter().enumerate() {
            let began = nth as i64 * 150 * S;
            deaths.is_up(began, true);
            deaths.is_up(began + life * S - S, true);
            assert!(!deaths.keeps_dying());
            deaths.died(began + life * S);
        }
        assert!(deaths.keeps_dying());
        deaths.is_up(1_000 * S, true);
        assert_eq!(deaths.well_ms(), Some(1_360 * S));
        deaths.is_up(1_359 * S, true);
        assert!(deaths.keeps_dying());
        deaths.is_up(1_360 * S, true);
        assert_eq!(deaths.count(), 0);
    }

    #[test]
    fn being_down_in_between_starts_the_wait_again() {
        let mut deaths = Deaths::known();
        deaths.is_up(0, true);
        deaths.is_up(20 * S, false);
        deaths.is_up(25 * S, true);
        deaths.is_up(40 * S, true);
        assert!(deaths.keeps_dying());
        deaths.is_up(55 * S, true);
        assert!(!deaths.keeps_dying());
    }
}
