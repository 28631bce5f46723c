//! The evidence of one interval: an e-variable for two groups of yes-or-no outcomes.
//!
//! From R. Turner, A. Ly, P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
//! stopping" (arXiv:2106.02693, 2021), and for hypotheses other than equality R. Turner, P. Grünwald, "Exact
//! anytime-valid confidence intervals for contingency tables and beyond" (arXiv:2203.09785, 2022).
//!
//! For a block of `n` outcomes of the new release and `m` of the old one, an alternative (p, q) and a convex null
//! hypothesis, let (p0, q0) be the point of the null that minimises `n KL(p, p0) + m KL(q, q0)`. Then the likelihood
//! ratio of (p, q) to (p0, q0) has an expectation of at most 1 under *every* point of the null: at the minimum the
//! mean over the n + m outcomes of their single ratios' expectations is at most 1, and their product is at most the
//! (n + m)-th power of that mean. So the true rates may differ from block to block, as a daily rhythm or a slow database
//! makes them, as long as they differ alike; and p, q may be chosen from what came before.

use super::proportion::Share;

/// Rates of the alternative, and of the null's nearest point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bet {
    new: [f64; 2],
    old: [f64; 2],
}

/// Rates stay this far from 0 and 1, where a single outcome would ruin a bet.
const EDGE: f64 = 1e-6;

impl Bet {
    /// Against "the new rate is at most the old rate plus `margin`", for a block of that many outcomes. `None` where the
    /// alternative lies in the null: nothing can be won.
    pub fn beside(new: f64, old: f64, margin: f64, sizes: (u64, u64)) -> Option<Self> {
        let (new, old) = (new.clamp(EDGE, 1.0 - EDGE), old.clamp(EDGE, 1.0 - EDGE));
        if sizes.0 == 0 || sizes.1 == 0 || new - margin <= old {
            return None;
        }
        let nearest = nearest_old(new, old, margin, sizes.0 as f64, sizes.1 as f64);
        Some(Self { new: [new, nearest + margin], old: [old, nearest] })
    }

    /// Against "the new rate is at most `limit`".
    pub fn limit(new: f64, limit: f64) -> Option<Self> {
        let (new, limit) = (new.clamp(EDGE, 1.0 - EDGE), limit.clamp(EDGE, 1.0 - EDGE));
        (new > limit).then_some(Self { new: [new, limit], old: [0.5, 0.5] })
    }

    /// The logarithm of the e-variable for what came.
    pub fn log_evidence(&self, new: Share, old: Share) -> f64 {
        log_ratio(self.new, new.hits as f64, new.of as f64) + log_ratio(self.old, old.hits as f64, old.of as f64)
    }

    /// Its expectation were the alternative true.
    pub fn expected(&self, sizes: (u64, u64)) -> f64 {
        let (n, m) = (sizes.0 as f64, sizes.1 as f64);
        log_ratio(self.new, n * self.new[0], n) + log_ratio(self.old, m * self.old[0], m)
    }
}

fn log_ratio([rate, null]: [f64; 2], hits: f64, of: f64) -> f64 {
    hits * (rate / null).ln() + (of - hits) * ((1.0 - rate) / (1.0 - null)).ln()
}

/// The old rate at the null's nearest point: there both rates lie `margin` apart, so one number is sought, between
/// `old` and `new - margin`, where the derivative (which only grows) is 0. Newton's method, kept in the bracket.
fn nearest_old(new: f64, old: f64, margin: f64, n: f64, m: f64) -> f64 {
    let (mut low, mut high) = (old, new - margin);
    let variance = |rate: f64| rate * (1.0 - rate);
    let (weight_new, weight_old) = (n / variance(new), m / variance(old));
    let mut at = (weight_new * high + weight_old * low) / (weight_new + weight_old);
    for _ in 0..100 {
        let part = |weight: f64, null: f64, rate: f64| {
            let v = variance(null);
            let slope = weight * (null - rate) / v;
            (slope, weight / v - slope * (1.0 - 2.0 * null) / v)
        };
        let (a, b) = (part(n, at + margin, new), part(m, at, old));
        let (slope, curve) = (a.0 + b.0, a.1 + b.1);
        if slope < 0.0 {
            low = at;
        } else {
            high = at;
        }
        let step = at - slope / curve;
        let next = if step > low && step < high { step } else { 0.5 * (low + high) };
        if (next - at).abs() <= 1e-13 * next || high - low <= 1e-13 * high {
            return next;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expectation under true rates, exactly: outcomes are independent, so it is a product of powers.
    fn log_expectation(bet: &Bet, new: f64, old: f64, sizes: (u64, u64)) -> f64 {
        let single =
            |[rate, null]: [f64; 2], truth: f64| truth * rate / null + (1.0 - truth) * (1.0 - rate) / (1.0 - null);
        sizes.0 as f64 * single(bet.new, new).ln() + sizes.1 as f64 * single(bet.old, old).ln()
    }

    #[test]
    fn nothing_is_won_on_average_while_the_new_release_is_not_worse() {
        let rates = [0.0, 1e-4, 0.003, 0.01, 0.05, 0.2, 0.5, 0.93, 1.0];
        for sizes in [(1, 1), (1, 20), (50, 3), (1_000, 19_000), (1_000_000, 1_000_000)] {
            for margin in [0.0, 0.001, 0.01, 0.2] {
                for (p, q) in rates.iter().flat_map(|p| rates.map(|q| (*p, q))) {
                    let Some(bet) = Bet::beside(p, q, margin, sizes) else { continue };
                    for old in rates {
                        for new in rates.iter().map(|rate| rate.min(old + margin)).chain([(old + margin).min(1.0)]) {
                            let log = log_expectation(&bet, new, old, sizes);
                            assert!(log < 1e-6, "{log}: {bet:?} of {sizes:?}, true {new} beside {old}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_margin_the_nearest_point_is_the_pooled_rate() {
        let nearest = nearest_old(0.05, 0.01, 0.0, 100.0, 300.0);
        assert!((nearest - 0.02).abs() < 1e-12, "{nearest}");
    }

    #[test]
    fn nothing_can_be_won_inside_the_hypothesis_or_without_outcomes() {
        assert_eq!(Bet::beside(0.01, 0.02, 0.0, (10, 10)), None);
        assert_eq!(Bet::beside(0.02, 0.015, 0.01, (10, 10)), None);
        assert_eq!(Bet::beside(0.5, 0.01, 0.0, (10, 0)), None);
        assert_eq!(Bet::limit(0.05, 0.05), None);
    }

    #[test]
    fn a_limit_is_won_against_only_by_more_than_the_limit() {
        let bet = Bet::limit(0.2, 0.1).unwrap();
        assert!(log_expectation(&bet, 0.1, 0.0, (1_000, 0)).abs() < 1e-9);
        assert!(log_expectation(&bet, 0.05, 0.0, (1_000, 0)) < 0.0);
        assert!(bet.expected((100, 0)) > 0.0);
    }
}
