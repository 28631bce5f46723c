//! The kinds of forge, each with its rules.

use super::gitea::{FORGEJO, GITEA};
use super::github::GitHub;
use super::gitlab::GitLab;
use super::plain::Plain;
use super::rules::Forge;
use crate::model::ForgeKind;

/// The rules of a kind of forge.
pub(super) fn of(kind: ForgeKind) -> &'static dyn Forge {
    match kind {
        ForgeKind::GitHub => &GitHub,
        ForgeKind::GitLab => &GitLab,
        ForgeKind::Gitea => &GITEA,
        ForgeKind::Forgejo => &FORGEJO,
        ForgeKind::Plain => &Plain,
    }
}
