//! Where a value comes from: the text itself, a file, or a variable of the server's process.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LINE_BREAKS: [char; 2] = ['\n', '\r'];

/// `"text"`, `{ file = "/run/secrets/hook" }` or `{ env = "HOOK_SECRET" }`.
#[derive(Deserialize, Clone)]
#[serde(untagged, expecting = "expected a text, { file = \"...\" } or { env = \"...\" }")]
pub enum Source {
    Text(String),
    Named(Named),
}

/// Where a value is kept that is not written into the file itself.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Named {
    File(String),
    Env(String),
}

impl Source {
    /// The file that it names, if it names one.
    pub fn file(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Source::Named(Named::File(file)) => Some(folder.join(file)),
            Source::Text(_) | Source::Named(Named::Env(_)) => None,
        }
    }

    /// What of the file that it names is no part of the value: the line breaks at its end.
    pub fn line_end(&self, folder: &Path) -> Option<String> {
        let text = std::fs::read_to_string(self.file(folder)?).ok()?;
        let end = &text[text.trim_end_matches(LINE_BREAKS).len()..];
        Some(end.to_string()).filter(|end| !end.is_empty())
    }

    /// The value. Files are read relative to `folder` (the settings' own), and lose the line break at their end.
    pub fn read(&self, folder: &Path) -> Result<String, String> {
        match self {
            Source::Text(text) => Ok(text.clone()),
            Source::Named(Named::File(file)) => {
                let path = folder.join(file);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
                Ok(text.trim_end_matches(LINE_BREAKS).to_string())
            }
            Source::Named(Named::Env(name)) => std::env::var(name)
                .map_err(|_| format!("the variable {name} is not set in the environment of Launchway's own process")),
        }
    }
}

/// `20GB`, `500 MB`, `1.5TB`: powers of ten; `GiB` and the like are powers of two. In bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: 500MB, 20GB or 20GiB");
    let clean = text.trim();
    let end = clean.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let number: f64 = clean[..end].parse().map_err(|_| wrong())?;
    let unit: f64 = match clean[end..].trim().to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    // What is larger no disk has.
    if bytes <= 1e18 { Ok(bytes as u64) } else { Err(wrong()) }
}

/// `30s`, `2m`, `1m30s`, `1h`, `500ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: 30s, 2m, 1m30s, 1h or 500ms");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis = match &rest[..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total += Duration::from_millis(number.checked_mul(millis).ok_or_else(wrong)?);
        rest = &rest[unit_end..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "s", "5x", "-5s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
