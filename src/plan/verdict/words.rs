//! The sentences that people read, and how figures stand in them.

use super::latency::Slow;
use super::proportion::{Hypothesis, Share};
use super::wealth::Seen;
use super::{Baseline, External, Figures, JudgeSettings};
use crate::model::ReleaseId;

/// `errors 4.1 % (37 of 902) beside 0.2 % (3 of 1,804) of release 41: worse`
pub fn errors(settings: &JudgeSettings, hypothesis: Hypothesis, seen: &Seen, watched: &Figures) -> String {
    let new = format!("errors {}{}", share(seen.new), lately(seen, watched));
    let release = settings.old_release;
    match hypothesis {
        Hypothesis::Beside { .. } => format!("{new} beside {} of release {release}: worse", share(seen.old)),
        Hypothesis::Limit(limit) if settings.error_cap == Some(limit) => {
            format!("{new}, over the limit of {}: worse", percent(limit))
        }
        Hypothesis::Limit(limit) => {
            let before = Share { hits: watched.old.errors, of: watched.old.requests };
            format!("{new} after {} of release {release}, over {}: clearly worse", share(before), percent(limit))
        }
    }
}

/// `12.1 % of answers (146 of 1,204) took more than 234 ms, beside 5.0 % (551 of 11,020) more than 180 ms of release 41:
/// slower`
pub fn latency(settings: &JudgeSettings, slow: &Slow, watched: &Figures) -> String {
    let lately = lately(&slow.seen, watched);
    let new = |of: Share| format!("{} of answers ({} of {})", percent(of.rate()), thousands(of.hits), thousands(of.of));
    let allowed = time(slow.limit_new_us);
    let new = format!("{}{lately} took more than {allowed}", new(slow.seen.new));
    let (limit, release) = (time(slow.limit_old_us), settings.old_release);
    match watched.baseline {
        Baseline::Past => {
            let quantile = percent(slow.quantile).replace(".0", "");
            format!("{new}, where {quantile} of release {release}'s took at most {limit} before: clearly slower")
        }
        _ => format!("{new}, beside {} more than {limit} of release {release}: slower", share(slow.seen.old)),
    }
}

/// What is said of a release that was started again.
pub fn restarted(release: ReleaseId, times: u32) -> String {
    match times {
        1 => format!("a container of release {release} ended and was restarted while it was watched: worse"),
        times => format!("containers of release {release} ended and were restarted {times} times while watched: worse"),
    }
}

/// What is said of a measure that is out of its bounds.
pub fn external(measure: &External, value: f64, looks: u32) -> String {
    let times = if looks == 1 { "".into() } else { format!(" for {looks} looks in a row") };
    format!("{} is {value}, over its maximum of {}{times}: worse", measure.name, measure.max)
}

/// Where a release went bad late, the figures are those since then.
fn lately(seen: &Seen, watched: &Figures) -> String {
    if seen.seconds < 0.5 * watched.seconds { format!(" in the last {:.0} s", seen.seconds) } else { String::new() }
}

/// `0.2 % (3 of 1,804)`
fn share(share: Share) -> String {
    format!("{} ({} of {})", percent(share.rate()), thousands(share.hits), thousands(share.of))
}

/// `4.1 %`; two digits where one would be 0.
pub fn percent(rate: f64) -> String {
    let percent = 100.0 * rate;
    if percent > 0.0 && percent < 0.1 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// `11,020`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.4 ms`, `180 ms`, `2.5 s`, from microseconds.
pub fn time(us: f64) -> String {
    match us / 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1e3 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.0004, 0.002, 0.041, 1.0].map(percent), ["0.0 %", "0.04 %", "0.2 %", "4.1 %", "100.0 %"]);
        assert_eq!([400.0, 180_000.0, 2_500_000.0].map(time), ["0.4 ms", "180 ms", "2.5 s"]);
    }
}
