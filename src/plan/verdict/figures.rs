//! What was judged, in figures: for the status, the log and the page.

use super::words::{percent, thousands, time};
use super::{Baseline, Counts, Histogram, Interval};
use crate::model::ReleaseId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Both releases, without warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub seconds: f64,
    pub baseline: Baseline,
    pub old_release: ReleaseId,
    pub new: Side,
    /// Over the same seconds, or before.
    pub old: Side,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Side {
    pub requests: u64,
    pub errors: u64,
    pub latency: Histogram,
}

impl Figures {
    pub(super) fn new(old_release: ReleaseId, baseline: Baseline) -> Self {
        Self { seconds: 0.0, baseline, old_release, new: Side::default(), old: Side::default() }
    }

    pub(super) fn add(&mut self, interval: &Interval) {
        self.seconds += interval.seconds;
        self.new.add(&interval.new);
        if self.baseline == Baseline::Beside {
            self.old.add(&interval.old);
        }
    }
}

impl Side {
    pub(super) fn add(&mut self, counts: &Counts) {
        self.requests += counts.requests;
        self.errors += counts.errors;
        self.latency.add(counts);
    }

    /// The share of answers that were errors; 0 where there was none.
    pub fn error_rate(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }

    fn errors_text(&self) -> String {
        let (errors, requests) = (thousands(self.errors), thousands(self.requests));
        format!("{} ({errors} of {requests})", percent(self.error_rate()))
    }

    fn p95_text(&self) -> String {
        self.latency.quantile_us(0.95).map_or("-".into(), |us| time(us as f64))
    }
}

/// `errors 0.3 % (4 of 1,204) beside 0.2 % (22 of 11,020) of release 41, p95 184 ms beside 180 ms`
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (new, old) = (&self.new, &self.old);
        let word = match self.baseline {
            Baseline::Beside => "beside",
            Baseline::Past => "after",
            Baseline::Nothing => return write!(f, "errors {}, p95 {}", new.errors_text(), new.p95_text()),
        };
        write!(f, "errors {} {word} {} of release {}", new.errors_text(), old.errors_text(), self.old_release)?;
        write!(f, ", p95 {} {word} {}", new.p95_text(), old.p95_text())
    }
}
