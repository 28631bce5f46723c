//! Which kind of work a step is, for the record of what work takes.

use super::{Action, ReadyGoal, Step};
use crate::model::WorkKind;

impl Step {
    /// The kind of work under which its time is kept.
    pub fn work_kind(&self) -> WorkKind {
        match &self.action {
            Action::CreateContainer(_) | Action::CreateFront(_) => WorkKind::Create,
            Action::StartContainer(_) => WorkKind::Start,
            Action::StopContainer { .. } => WorkKind::Stop,
            Action::RemoveContainer(_) => WorkKind::Remove,
            // Only what a release command writes is followed: people have to see what it did.
            Action::WaitReady { readiness, .. } if readiness.goal == ReadyGoal::Completed && readiness.follow => {
                WorkKind::ReleaseCommand
            }
            Action::WaitReady { .. } => WorkKind::Ready,
            Action::Drain { .. } => WorkKind::Drain,
            Action::Pause(_) | Action::Hold(_) => WorkKind::Hold,
            Action::CreateNetwork(_)
            | Action::CreateVolume(_)
            | Action::FillVolume(_)
            | Action::RenameContainer { .. }
            | Action::StartFront { .. }
            | Action::RenewFront(_)
            | Action::Route(_)
            | Action::Unroute(_) => WorkKind::Other,
        }
    }
}
