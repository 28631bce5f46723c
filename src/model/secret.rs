//! Text that must not be printed.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A secret text. It has no `Display`, its `Debug` shows nothing, and only [`Secret::expose`] hands it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Replaces every known secret in text that leaves the process: logs, build output, pages, statuses, errors.
#[derive(Clone, Default)]
pub struct Mask {
    values: Arc<[String]>,
}

impl Mask {
    /// Values shorter than 4 bytes are left alone: masking them would shred ordinary text and hide nothing.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut values: Vec<String> = Vec::new();
        for secret in secrets {
            let whole = secret.expose();
            // A secret of several lines reaches line-by-line output in pieces.
            for text in std::iter::once(whole).chain(whole.lines()).map(str::trim) {
                if text.len() >= 4 && !values.iter().any(|v| v == text) {
                    values.push(text.to_string());
                }
            }
        }
        // Longest first, so that a secret which contains another is hidden whole.
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        Self { values: values.into() }
    }

    /// This mask, and further secrets.
    pub fn with<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut values = Self::new(secrets).values.to_vec();
        values.extend(self.values.iter().cloned());
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        values.dedup();
        Self { values: values.into() }
    }

    /// The text with each secret replaced by `***`.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_string();
        for value in self.values.iter() {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), "***");
            }
        }
        text
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn masks_whole_secrets_and_lines_of_them() {
        let mask = Mask::new(&[
            Secret::new("hunter2"),
            Secret::new("hunter2-long"),
            Secret::new("line-one\nline-two"),
            Secret::new("ab"),
        ]);
        let more = mask.with(&[Secret::new("swordfish")]);
        assert_eq!(more.apply("swordfish hunter2"), "*** ***");
        assert_eq!(mask.apply("x hunter2-long y hunter2 ab line-two"), "x *** y *** ab ***");
    }
}
