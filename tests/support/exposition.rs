//! A strict reader of Prometheus' text form (0.0.4): what breaks a rule of it fails the story.

use std::collections::{BTreeMap, BTreeSet};

/// `name{label="value",...}` with labels in order of their names -> value.
pub type Series = BTreeMap<String, f64>;

/// Panics where a line is not understood, HELP or TYPE is missing or twice, a family is in several pieces, a series is
/// there twice, or a histogram's buckets do not add up.
pub fn read(text: &str) -> Series {
    assert!(text.ends_with('\n'), "the last line has no end");
    let (mut series, mut families) = (Series::new(), BTreeSet::new());
    let (mut family, mut kind, mut helped) = (String::new(), String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(!help.trim().is_empty(), "an empty help: {line}");
            assert!(families.insert(name.to_string()), "{name} is there twice");
            helped = name.to_string();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
            assert_eq!(helped, name, "TYPE without HELP before it");
            assert!(["counter", "gauge", "histogram"].contains(&of), "{line}");
            (family, kind) = (name.to_string(), of.to_string());
            assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
        } else {
            let (key, value) = sample(line);
            let name = key.split('{').next().unwrap();
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} is not of {family}");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            assert!(series.insert(key, value).is_none(), "twice: {line}");
        }
    }
    histograms_add_up(&series);
    series
}

fn sample(line: &str) -> (String, f64) {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("a label without a value: {line}"));
            assert!(is_name(label), "{label:?} in {line}");
            let end = end_of_value(after).unwrap_or_else(|| panic!("a value without an end: {line}"));
            assert!(labels.insert(label, &after[..end]).is_none(), "{label} twice: {line}");
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space before the value: {line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("{value:?} is no number: {line}"));
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    match labels.is_empty() {
        true => (name.to_string(), value),
        false => (format!("{name}{{{}}}", labels.join(",")), value),
    }
}

/// Where the closing quote is; `\"`, `\\` and `\n` are the only escapes.
fn end_of_value(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some(at),
            '\\' => assert!(matches!(characters.next(), Some((_, '"' | '\\' | 'n'))), "an escape in {text:?}"),
            _ => {}
        }
    }
    None
}

/// Buckets only grow, and the one without an end is the count.
fn histograms_add_up(series: &Series) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (key, value) in series {
        let Some((name, labels)) = key.split_once("_bucket{") else { continue };
        let (bounds, others): (Vec<&str>, Vec<&str>) =
            labels.trim_end_matches('}').split(',').partition(|label| label.starts_with("le="));
        let bound = bounds[0].trim_start_matches("le=").trim_matches('"').parse().unwrap();
        let of = if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) };
        buckets.entry(format!("{name}_count{of}")).or_default().push((bound, *value));
    }
    for (count, mut buckets) in buckets {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{count}: {buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, series[&count])), "{count}");
    }
}
