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

/// What a kind of forge is known by, wherever that matters outside of its own rules (`forge::rules`).
struct Facts {
    word: &'static str,
    named: Named,
    /// Whether it has accounts and an API, for which a token is needed.
    has_api: bool,
}

/// How repositories are named there.
#[derive(PartialEq, Eq)]
enum Named {
    /// `owner/name`.
    InTwoParts,
    /// `group/sub/name`, with as many groups as there are; or by a number.
    InGroupsOrByNumber,
    /// By a folder of one machine: another machine may have another name for the same one.
    ByFolder,
}

impl ForgeKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [ForgeKind; 5] =
        [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea, ForgeKind::Forgejo, ForgeKind::Plain];

    const fn facts(self) -> Facts {
        match self {
            ForgeKind::GitHub => Facts { word: "github", named: Named::InTwoParts, has_api: true },
            ForgeKind::GitLab => Facts { word: "gitlab", named: Named::InGroupsOrByNumber, has_api: true },
            ForgeKind::Gitea => Facts { word: "gitea", named: Named::InTwoParts, has_api: true },
            ForgeKind::Forgejo => Facts { word: "forgejo", named: Named::InTwoParts, has_api: true },
            ForgeKind::Plain => Facts { word: "plain", named: Named::ByFolder, has_api: false },
        }
    }

    /// The word for it in `launchway.toml` and on the command line.
    pub fn word(self) -> &'static str {
        self.facts().word
    }

    /// Whether a repository's name always has two parts, `owner/name`.
    pub fn names_have_two_parts(self) -> bool {
        self.facts().named == Named::InTwoParts
    }

    /// Whether a repository may be named by its number.
    pub fn names_may_be_numbers(self) -> bool {
        self.facts().named == Named::InGroupsOrByNumber
    }

    /// Whether a repository has the same name for everybody.
    pub fn names_are_everybodys(self) -> bool {
        self.facts().named != Named::ByFolder
    }

    /// Whether there is an API, for which a token is needed.
    pub fn has_api(self) -> bool {
        self.facts().has_api
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
