//! Durations, sizes and shares as Compose files write them.

use std::time::Duration;

/// `1h30m`, `90s`, `1m30.5s`, `500ms`, `2d`, `1w`; a bare number is seconds only where it is 0.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_length = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let nanoseconds = match &rest[..unit_length] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86_400e9,
            "w" => 604_800e9,
            _ => return None,
        };
        total += number * nanoseconds;
        rest = &rest[unit_length..];
    }
    // Go counts nanoseconds in 63 bits: about 292 years.
    (total < 9.2e18).then(|| Duration::from_nanos(total.round() as u64))
}

/// `1h30m`, `90s`, `1m30.5s`: as people would write it.
pub fn duration_text(duration: Duration) -> String {
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = (duration.as_secs() % 60) as f64 + f64::from(duration.subsec_millis()) / 1000.0;
    let mut text = String::new();
    for (count, unit) in [(hours, "h"), (minutes, "m")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if seconds > 0.0 || text.is_empty() {
        text.push_str(&format!("{seconds}s"));
    }
    text
}

/// `256M`, `1.5gb`, `64k`, `1024`, `1024b`: bytes, in powers of 1,024 (the rules of docker/go-units' RAMInBytes).
pub fn bytes(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let number_part = text[..end].trim_end();
    let suffix = text[end..].trim_start().to_ascii_lowercase();
    let number: f64 = number_part.parse().ok()?;
    if number < 0.0 || !number_part.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let power = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    (bytes < 9.2e18).then_some(bytes as i64)
}

/// `0.5` cores are 500.
pub fn cpu_millis(text: &str) -> Option<u64> {
    let cores: f64 = text.trim().parse().ok()?;
    (cores.is_finite() && (0.0..1e6).contains(&cores)).then(|| (cores * 1000.0).round() as u64)
}

/// `5%` is 0.05; a bare number is taken as it is.
pub fn share(text: &str) -> Option<f64> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (number.is_finite() && (0.0..=1.0).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_sizes_and_shares() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("1d"), Some(Duration::from_secs(86_400)));
        for bad in ["", "5", "s", "1x", "-1s", "1s2", "9999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        for text in ["0s", "1h30m", "90h", "1m1.5s", "59s", "1h1s"] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Some(text));
        }
        assert_eq!(bytes("256M"), Some(256 << 20));
        assert_eq!(bytes("1.5gb"), Some(3 << 29));
        assert_eq!(bytes("64 k"), Some(64 << 10));
        assert_eq!(bytes("1024"), Some(1024));
        for bad in ["", "M", "-1", "1x", "1 0", "1e3q"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!(cpu_millis("0.5"), Some(500));
        assert_eq!(cpu_millis("-1"), None);
        assert_eq!(share("1%"), Some(0.01));
        assert_eq!(share("150%"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "[0-9a-zµ.% +\\-]{0,12}") {
            let _ = (duration(&text), bytes(&text), cpu_millis(&text), share(&text));
        }
    }
}
