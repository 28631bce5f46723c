//! How long a forge asks to be left alone.

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Some(date(text)?.duration_since(forge_now(headers, now)).unwrap_or_default())
}

/// GitHub's `x-ratelimit-reset`, in seconds since 1970, where `x-ratelimit-remaining` is 0.
pub(super) fn used_up(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if number("x-ratelimit-remaining")? != 0 {
        return None;
    }
    let reset = UNIX_EPOCH.checked_add(Duration::from_secs(number("x-ratelimit-reset")?))?;
    // The reset is a whole second: one more, not to come a moment early.
    Some(reset.duration_since(forge_now(headers, now)).unwrap_or_default() + Duration::from_secs(1))
}

/// The forge's own clock, so that ours may be wrong.
fn forge_now(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    headers.get(DATE).and_then(|text| date(text.to_str().ok()?)).unwrap_or(now)
}

fn date(text: &str) -> Option<SystemTime> {
    let seconds = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const HOUR: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_forge_s_clock() {
        assert_eq!(retry_after(&headers(&[("retry-after", "17")]), at(HOUR)), Some(Duration::from_secs(17)));
        let dated =
            headers(&[("retry-after", "Tue, 14 Nov 2023 22:15:20 GMT"), ("date", "Tue, 14 Nov 2023 22:13:20 GMT")]);
        assert_eq!(retry_after(&dated, at(0)), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")]), at(HOUR)), None);
    }

    #[test]
    fn the_reset_counts_only_when_nothing_remains() {
        let reset = (HOUR + 60).to_string();
        let left = |n| headers(&[("x-ratelimit-remaining", n), ("x-ratelimit-reset", &reset)]);
        assert_eq!(used_up(&left("0"), at(HOUR)), Some(Duration::from_secs(61)));
        assert_eq!(used_up(&left("1"), at(HOUR)), None);
        assert_eq!(used_up(&left("0"), at(HOUR + 3600)), Some(Duration::from_secs(1)));
    }
}
