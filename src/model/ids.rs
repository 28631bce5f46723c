//! Names and ids, each a type of its own, so that one cannot be given where another is meant.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not what it should name: `what` it should be, the text, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {expected}")]
pub struct InvalidName {
    pub what: &'static str,
    pub text: String,
    pub expected: &'static str,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text; the error says what would be accepted.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { what: $what, text, expected: $expected })
                }
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn is_slug(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=63).contains(&text.len()) && text.chars().all(ok) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_compose_name(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=200).contains(&text.len()) && text.chars().all(ok)
}

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

text_type!(
    /// A project of `launchway.toml`.
    ProjectName, "project name",
    "lower-case letters, digits, '-' and '_', 63 at most, starting with a letter or digit", is_slug
);
text_type!(
    /// A place that a branch or tag pattern deploys to.
    EnvironmentName, "environment name",
    "lower-case letters, digits, '-' and '_', 63 at most, starting with a letter or digit", is_slug
);
text_type!(
    /// One service of the project's Compose file.
    ComponentName, "component name",
    "letters, digits, '-', '_' and '.' (the Compose Specification's service names)", is_compose_name
);
text_type!(
    /// A full git object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    CommitId, "commit id", "40 or 64 lower-case hex digits", is_object_id
);
text_type!(
    /// A full ref such as `refs/heads/main`, by the rules of `git check-ref-format`.
    RefName, "ref",
    "a full ref name such as refs/heads/main, as `git check-ref-format` accepts it", is_ref_name
);
text_type!(
    /// The id by which a forge knows a delivery; unique per project only.
    DeliveryId, "delivery id", "1 to 128 letters, digits, '-', '_', '.', ':' or '+'",
    |text| (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b))
);
text_type!(
    /// What a built image is made of, as 64 hex digits of SHA-256; equal keys are never built twice.
    ContentKey, "content key", "64 lower-case hex digits",
    |text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl CommitId {
    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
    /// All zeros: the forges' way to say that there is no such commit.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl DeliveryId {
    /// The id of one of several events that a delivery tells, by its place among them from 0; the first has the delivery's own.
    pub fn of_part(&self, at: usize) -> Self {
        if at == 0 {
            return self.clone();
        }
        let end = format!("+{at}");
        Self(format!("{}{end}", &self.0[..self.0.len().min(128 - end.len())]))
    }
}

impl RefName {
    /// The branch's name where this is `refs/heads/...`.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
    /// The tag's name where this is `refs/tags/...`.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
    /// `main` of `refs/heads/main`, for people.
    pub fn short(&self) -> &str {
        self.branch().or(self.tag()).unwrap_or(&self.0)
    }
}

/// The rules of git-check-ref-format(1), for full refs only, no longer than 1,024 bytes, and at least three parts
/// deep as branches and tags are.
fn is_ref_name(text: &str) -> bool {
    let bad = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    text.len() <= 1024
        && text.starts_with("refs/")
        && text.split('/').count() >= 3
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.chars().any(bad)
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.trim_start_matches('#').parse().map(Self)
            }
        }
    };
}

number_type!(
    /// One attempt to make a release live; counts up over the whole store.
    DeploymentId
);
number_type!(
    /// An immutable set of images and settings made from a commit; counts up over the whole store.
    ReleaseId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_follow_check_ref_format() {
        for good in [
            "refs/heads/main",
            "refs/heads/feature/ü",
            "refs/tags/v1.2",
            "refs/heads/--upload-pack=x",
            "refs/heads/$(id)",
            "refs/heads/a@b",
        ] {
            assert!(RefName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "main",
            "refs/heads/",
            "refs/heads",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/a\0b",
            "refs/heads/a.lock",
            "refs/heads/.a",
            "refs/heads/a@{1}",
            "refs/heads//a",
            "refs/heads/a:b",
            "refs/heads/a.",
        ] {
            assert!(RefName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn commit_ids_are_full_and_lower_case() {
        assert!(CommitId::new("a".repeat(40)).is_ok());
        assert!(CommitId::new("0".repeat(64)).unwrap().is_zero());
        for bad in ["", "abc", &"A".repeat(40), &"g".repeat(40), &"a".repeat(41)] {
            assert!(CommitId::new(bad).is_err());
        }
    }
}
