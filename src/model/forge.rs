//! The kinds of forge.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a repository lives and its statuses are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
    /// A bare git repository whose `hooks/post-receive` signs and posts, in GitHub's form.
    Plain,
}

impl ForgeKind {
    pub const ALL: [ForgeKind; 5] =
        [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea, ForgeKind::Forgejo, ForgeKind::Plain];

    /// The word for it in `launchway.toml` and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            ForgeKind::GitHub => "github",
            ForgeKind::GitLab => "gitlab",
            ForgeKind::Gitea => "gitea",
            ForgeKind::Forgejo => "forgejo",
            ForgeKind::Plain => "plain",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for ForgeKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("{text:?} is not a forge: github, gitlab, gitea, forgejo or plain"))
    }
}
