//! The sentence that says that a deployment succeeded.

use super::{Pen, duration};
use crate::model::{ComponentName, Quoted, ReleaseId};
use std::time::Duration;

/// What became of a deployment that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Success<'a> {
    pub release: ReleaseId,
    pub by: LiveBy<'a>,
    /// Components of which the release before had none.
    pub started: &'a [ComponentName],
    pub replaced: &'a [ComponentName],
    /// Jobs that ran, whether anything of them changed or not.
    pub ran: &'a [ComponentName],
    /// What changed without being replaced, each as a sentence: `api: replicas changed from 1 to 2`.
    pub adjusted: &'a [String],
    pub removed: &'a [ComponentName],
    pub unchanged: &'a [ComponentName],
    /// Their images were gone from the engine, and were built again from the release's commit.
    pub built_again: &'a [ComponentName],
    /// From its beginning until all of it ran.
    pub live_after: Duration,
    /// For how long it was watched then.
    pub watched: Duration,
    /// What the verdict on each component says, with its figures, where there was enough to judge by.
    pub verdicts: &'a [String],
    /// The forge never delivered the push.
    pub found_by_catching_up: bool,
}

/// What made a release live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LiveBy<'a> {
    Deploying,
    /// A rollback, by whom.
    GoingBack(&'a str),
    /// `launchway give-back`, by whom: it is the release of before, as Docker Compose alone has it.
    GivingBack(&'a str),
}

/// `Live after 12 s; watched for 30 s. Release 42: api, web replaced; db unchanged`
pub(super) fn succeeded(pen: &Pen<'_>, success: &Success<'_>) -> String {
    let release = success.release;
    let changed = changed(pen, success);
    let (live, release) = match success.by {
        LiveBy::Deploying => ("Live".to_string(), format!("Release {release}")),
        LiveBy::GoingBack(by) => ("Live again".to_string(), format!("Release {release}, put back by {}", Quoted(by))),
        LiveBy::GivingBack(by) => {
            (format!("Given back to Docker Compose by {}; live", Quoted(by)), format!("Release {release}"))
        }
    };
    let after = match changed.is_empty() {
        true => String::new(),
        false => format!(" after {}", duration(success.live_after)),
    };
    let watched = match success.watched.as_secs() {
        0 => String::new(),
        _ => format!("; watched for {}", duration(success.watched)),
    };
    let mut parts = changed;
    match (parts.is_empty(), success.unchanged.is_empty()) {
        (true, _) => parts.push("nothing had to change".into()),
        (false, false) => parts.push(format!("{} unchanged", pen.names(success.unchanged))),
        (false, true) => {}
    }
    parts.extend(success.verdicts.iter().cloned());
    pen.fit(&format!("{live}{after}{watched}. {release}: "), &parts.join("; "), &beside(pen, success))
}

fn changed(pen: &Pen<'_>, success: &Success<'_>) -> Vec<String> {
    let parts = [
        (success.started, "started"),
        (success.replaced, "replaced"),
        (success.removed, "removed"),
        (success.ran, "ran"),
    ];
    let parts = parts.iter().filter(|(components, _)| !components.is_empty());
    let parts = parts.map(|(components, what)| format!("{} {what}", pen.names(components)));
    parts.chain(success.adjusted.iter().cloned()).collect()
}

/// What is worth saying beside it.
fn beside(pen: &Pen<'_>, success: &Success<'_>) -> String {
    let mut text = String::new();
    if !success.built_again.is_empty() {
        text = format!("; {} built again, the image was gone", pen.names(success.built_again));
    }
    if success.found_by_catching_up {
        text.push_str("; found by catching up");
    }
    text
}
