//! What is known of an environment's past.

use crate::model::{Component, ComponentName, DeploymentId, DeploymentState, Stack, Work, WorkKind, WorkOutcome};
use std::collections::BTreeMap;

/// A deployment that has ended. Times are milliseconds since 1970 (UTC).
#[derive(Debug, Clone)]
pub struct Past {
    pub id: DeploymentId,
    pub state: DeploymentState,
    /// Somebody put an older release back.
    pub is_rollback: bool,
    /// When its push was received; `None` where nobody pushed (`launchway deploy`).
    pub pushed_ms: Option<i64>,
    pub created_ms: i64,
    /// When it left the queue, where it did.
    pub started_ms: Option<i64>,
    pub ended_ms: i64,
    /// It had begun to change what runs.
    pub touched: bool,
    /// The host or Launchway failed, not the commit.
    pub host_fault: bool,
    /// In the order in which it began.
    pub work: Vec<Work>,
}

impl Past {
    /// Whether it went live.
    pub fn is_live(&self) -> bool {
        self.state == DeploymentState::Succeeded
    }

    /// Whether it failed or was put back.
    pub fn is_failed(&self) -> bool {
        matches!(self.state, DeploymentState::Failed | DeploymentState::RolledBack)
    }

    /// Whether users could notice it. What could not be put back at first is not marked as touched any more once it is
    /// put right, but its work tells.
    pub fn reached_users(&self) -> bool {
        let touches = |work: &Work| matches!(work.kind, WorkKind::Stop | WorkKind::Drain | WorkKind::Ready);
        self.touched || self.state == DeploymentState::RolledBack || self.work.iter().any(touches)
    }
}

/// What a component used over the time that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Hours in which it was looked at.
    pub hours: u64,
    pub cpu_ms: u64,
    /// Over all replicas; divided by 3.6e12 these are GB-hours.
    pub memory_byte_seconds: u64,
    /// The most that one replica had.
    pub memory_max_bytes: u64,
    /// What one replica took of the CPU in its busiest hour, on average, in thousandths of one.
    pub busiest_hour_cpu_millis: u64,
}

/// An environment's past. Nothing in it is asked for again: what is not known is left out.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The oldest first.
    pub deployments: Vec<Past>,
    /// What is live.
    pub stack: Option<Stack>,
    /// Empty where use is not measured.
    pub usage: BTreeMap<ComponentName, Usage>,
    /// The time that is looked at.
    pub from_ms: i64,
    pub until_ms: i64,
}

impl History {
    /// The components that are live.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.stack.iter().flat_map(|stack| stack.components.values())
    }

    /// What was done to a component and ended well, the oldest first.
    pub fn done<'a>(&'a self, component: &'a ComponentName, kind: WorkKind) -> impl Iterator<Item = &'a Work> {
        let is_it = move |work: &&Work| {
            work.kind == kind && work.component.as_ref() == Some(component) && work.outcome == WorkOutcome::Done
        };
        self.deployments.iter().flat_map(|past| &past.work).filter(is_it)
    }
}
