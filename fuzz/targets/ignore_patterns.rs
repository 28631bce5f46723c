//! One pattern and one path in the context's root: simple patterns agree with a matcher that tries everything.
use launchway::build::{Dockerignore, FolderMatch};

/// `*` and `?` as Go's `filepath.Match` has them, for names without a slash.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some('*'), _) => matches(&pattern[1..], name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some('?'), Some(_)) => matches(&pattern[1..], &name[1..]),
        (Some(one), Some(other)) => one == other && matches(&pattern[1..], &name[1..]),
        _ => false,
    }
}

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]);
    let (patterns, path) = text.split_once("\n\n").unwrap_or((&text, "a/b"));
    let Ok(ignore) = Dockerignore::parse(patterns) else { return };
    let mut folder = FolderMatch::default();
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()).take(16) {
        at = if at.is_empty() { part.to_string() } else { format!("{at}/{part}") };
        let (ignored, matched) = ignore.is_ignored(&at, &folder);
        assert!(!(ignored && ignore.is_empty()));
        let _ = ignore.may_except_below(&at);
        folder = matched;
    }
    let is_simple =
        |text: &str| text.len() <= 24 && text.chars().all(|c| c.is_ascii_alphanumeric() || "*?_".contains(c));
    if is_simple(patterns) && !patterns.contains("**") && !patterns.is_empty() {
        let name: Vec<char> = path.chars().filter(|c| c.is_ascii_alphanumeric()).take(24).collect();
        let pattern: Vec<char> = patterns.chars().collect();
        let text: String = name.iter().collect();
        if pattern.iter().filter(|c| **c == '*').count() <= 4 && !text.is_empty() {
            let (ignored, _) = ignore.is_ignored(&text, &FolderMatch::default());
            assert_eq!(ignored, matches(&pattern, &name), "{patterns:?} {text:?}");
        }
    }
}
