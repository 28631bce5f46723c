//! How bets add up over time: money that is put on several alternatives, from several moments on.
//!
//! An average of e-processes is one too, so nothing has to be known about how bad a bad release is: the money is spread
//! over a few alternatives. The same over starting times: a release that was good for an hour and then leaks is found
//! although the hour's bets were lost, because a part of the money stays unspent for each later start (the parts add up
//! to 1; compare the e-detectors of J. Shin, A. Ramdas, A. Rinaldo, arXiv:2203.03532, which give up the bound on
//! false alarms over all time that this keeps).

use super::proportion::Share;
use serde::{Deserialize, Serialize};

/// The logarithm of no money. (JSON has no infinity.)
const NOTHING: f64 = -1e300;

/// The part of the money that is put on the first start; the s-th gets 1/(s (s - 1)) of the rest.
pub const FIRST_START: f64 = 0.8;

/// One alternative's money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Wealth {
    log: f64,
    /// The evidence since the start from which there is most, for people: what it was won on.
    gain: f64,
    seen: Seen,
}

/// Outcomes of some time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seen {
    pub new: Share,
    pub old: Share,
    pub seconds: f64,
}

impl Default for Wealth {
    fn default() -> Self {
        Self { log: NOTHING, gain: 0.0, seen: Seen::default() }
    }
}

impl Wealth {
    /// Puts the start's part in, then lets all of it win or lose. `start` counts from 1.
    pub fn bet(&mut self, start: u64, log_evidence: f64, block: Seen) {
        let start = start as f64;
        let fresh = if start <= 1.0 { FIRST_START } else { (1.0 - FIRST_START) / (start * (start - 1.0)) }.ln();
        if self.gain <= 0.0 {
            // E. Page's cumulative sum (1954): what came before speaks against beginning there.
            self.gain = 0.0;
            self.seen = Seen::default();
        }
        self.gain += log_evidence;
        self.seen.new += block.new;
        self.seen.old += block.old;
        self.seen.seconds += block.seconds;
        self.log = add_logs(self.log, fresh) + log_evidence;
    }

    /// What was taken in so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }
}

/// The logarithm of the mean.
pub fn log_mean(wealths: &[Wealth]) -> f64 {
    wealths.iter().map(|wealth| wealth.log).fold(NOTHING, add_logs) - (wealths.len().max(1) as f64).ln()
}

/// The one that has won most.
pub fn richest(wealths: &[Wealth]) -> Option<&Wealth> {
    wealths.iter().max_by(|a, b| a.log.total_cmp(&b.log))
}

/// ln(e^a + e^b).
pub fn add_logs(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_add_as_their_numbers_do() {
        assert!((add_logs(2f64.ln(), 3f64.ln()) - 5f64.ln()).abs() < 1e-12);
        assert_eq!(add_logs(NOTHING, NOTHING), NOTHING);
        assert_eq!(add_logs(NOTHING, -3.0), -3.0);
    }

    #[test]
    fn bets_without_evidence_never_make_money() {
        let mut wealth = Wealth::default();
        for start in 1..10_000 {
            wealth.bet(start, 0.0, Seen::default());
        }
        assert!(wealth.log <= 0.0 && wealth.log > -0.001, "{}", wealth.log);
    }

    #[test]
    fn money_lost_in_good_hours_does_not_hide_a_later_failing() {
        let mut wealth = Wealth::default();
        let second = Seen { seconds: 1.0, ..Seen::default() };
        (1..=1_000).for_each(|start| wealth.bet(start, -1.0, second));
        (1_001..=1_030).for_each(|start| wealth.bet(start, 1.0, second));
        assert!(wealth.log > 300f64.ln(), "{}", wealth.log);
        assert_eq!(wealth.seen().seconds, 30.0);
    }
}
