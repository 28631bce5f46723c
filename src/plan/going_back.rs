//! What changes when the live release is left for an earlier one. A commit that changed no component made a release of its
//! own all the same: going back to one that does not differ would do nothing.

use super::changes::{Candidate, ChangeKind, ComponentChange, changes, ways_in};
use super::fingerprint;
use crate::model::{Component, Release, Stack, Tree};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What is different in an earlier release, as somebody reads it who is about to go back to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// Every component of the two, in the order of names, what is removed last; also those that stay as they are.
    pub components: Vec<ComponentChange>,
    /// Rules that hold for as long as a release is live and that are others there: `the deploy windows`.
    pub rules: Vec<&'static str>,
}

impl Differences {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.components.iter().all(|change| change.kind == ChangeKind::Unchanged)
    }
}

/// A release, and the files of its commit where they are at hand: they only make reasons more exact.
pub type WithFiles<'a> = (&'a Release, Option<&'a dyn Tree>);

/// What is different in `earlier`.
pub fn differences(live: WithFiles<'_>, earlier: WithFiles<'_>) -> Differences {
    let (release, tree) = earlier;
    let candidate = Candidate { stack: &release.stack, parts: &release.parts, tree };
    let mut components = changes(Some(live), &candidate);
    for change in &mut components {
        match change.kind {
            ChangeKind::New => change.reasons = vec![format!("release {} has it", release.id)],
            ChangeKind::Removed => {
                change.reasons = vec![format!("release {} does not have it; its volumes stay", release.id)];
            }
            ChangeKind::Changed | ChangeKind::Adjusted | ChangeKind::Unchanged => {}
        }
    }
    let (now, then) = (rules(&live.0.stack), rules(&release.stack));
    let rules = now.iter().zip(&then).filter(|(now, then)| now != then).map(|((name, _), _)| *name).collect();
    Differences { components, rules }
}

/// Equal of two releases that do not differ, and of no others: a hash.
pub fn content(release: &Release) -> String {
    let fingerprints = fingerprint::as_of_today(release);
    let one = |component: &Component| {
        let fingerprint = fingerprints.get(&component.name);
        (component.name.clone(), fingerprint.cloned(), component.replicas, text(&ways_in(component)))
    };
    let components: Vec<_> = release.stack.components.values().map(one).collect();
    hex::encode(Sha256::digest(text(&(components, rules(&release.stack)))))
}

/// What a release decides while it is live, without anything of it being replaced.
fn rules(stack: &Stack) -> [(&'static str, String); 4] {
    let settings = &stack.settings;
    [
        ("the deploy windows", text(&settings.windows)),
        ("the freezes", text(&settings.freeze)),
        ("whether a deployment waits for a yes", text(&settings.approval)),
        ("what is put right while nothing is deployed", text(&settings.repair)),
    ]
}

/// Plain data with text keys: writing it cannot fail, and were it to, the text of the error would still be stable.
fn text(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_else(|error| error.to_string())
}

#[cfg(test)]
mod tests;
