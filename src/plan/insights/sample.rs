//! A small past for the tests of this room, built in a line.

use super::{History, Past};
use crate::model::{ComponentName, DeploymentId, DeploymentState, Stack, Work, WorkDetail, WorkKind, WorkOutcome};

pub const DAY_MS: i64 = 24 * 3_600_000;

/// Work that ended well; without a component where the name is empty.
pub fn work(deployment: i64, component: &str, kind: WorkKind, started_ms: i64, took_ms: i64) -> Work {
    Work {
        deployment: DeploymentId(deployment),
        component: (!component.is_empty()).then(|| ComponentName::new(component).unwrap()),
        kind,
        subject: component.to_string(),
        started_ms,
        ended_ms: started_ms + took_ms,
        outcome: WorkOutcome::Done,
        detail: WorkDetail::default(),
    }
}

/// A deployment of its own day that went live: pushed, 1 s later begun, a minute later over.
pub fn past(id: i64) -> Past {
    let pushed = id * DAY_MS;
    Past {
        id: DeploymentId(id),
        state: DeploymentState::Succeeded,
        is_rollback: false,
        pushed_ms: Some(pushed),
        created_ms: pushed,
        started_ms: Some(pushed + 1_000),
        ended_ms: pushed + 61_000,
        touched: true,
        host_fault: false,
        work: Vec::new(),
    }
}

/// As many deployments, each with this work of its own.
pub fn history(count: i64, stack: Stack, work: impl Fn(i64) -> Vec<Work>) -> History {
    History {
        deployments: (1..=count).map(|id| Past { work: work(id), ..past(id) }).collect(),
        stack: Some(stack),
        usage: Default::default(),
        from_ms: 0,
        until_ms: (count + 1) * DAY_MS,
    }
}

/// A build of a component with this detail.
pub fn build(deployment: i64, component: &str, took_ms: i64, detail: WorkDetail) -> Work {
    Work { detail, ..work(deployment, component, WorkKind::Build, 0, took_ms) }
}
