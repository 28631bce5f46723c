//! What is said of an environment while nothing is deployed there.

use super::ComponentName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is put right without a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// What died or was removed.
    #[default]
    Died,
    /// Every change by hand, but for what somebody stopped.
    Always,
}

impl FromStr for Repair {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "died" => Ok(Self::Died),
            "always" => Ok(Self::Always),
            _ => Err(format!("{text:?} is neither died nor always")),
        }
    }
}

/// How a container came to its end, as far as the engine remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody told it to stop.
    Told,
    /// It ended by itself, or was killed.
    ByItself,
    /// The engine ended, or the host did, and did not bring it back.
    WithEngine,
    /// The engine has forgotten.
    Unknown,
}

/// In which way an environment is not what its live release says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It was put back more than once, and has not stayed up for long since.
    KeepsDying,
    /// Somebody stopped it, and it stays so.
    Stopped,
    /// It runs, and its health check fails.
    Unhealthy,
    /// Launchway tried to put it right, and could not.
    NotPutBack,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::KeepsDying, Self::Stopped, Self::Unhealthy, Self::NotPutBack];

    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::KeepsDying => "keeps_dying",
            Self::Stopped => "stopped",
            Self::Unhealthy => "unhealthy",
            Self::NotPutBack => "not_put_back",
        }
    }
}

impl FromStr for Trouble {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| format!("{text:?} is no trouble"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word().replace('_', " "))
    }
}

/// One thing that makes an environment degraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// `None`: the environment as a whole.
    pub component: Option<ComponentName>,
    pub trouble: Trouble,
    /// A sentence.
    pub why: String,
    /// What the component said last, the oldest first.
    pub last_lines: Vec<String>,
}
