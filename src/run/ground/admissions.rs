//! Who was let in and has not started all of it yet, and who waits in line for room on the host.

use crate::engine::HostLoad;
use crate::model::{DeploymentId, ProjectName};
use crate::plan::admission::Amount;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Who was let in, and has not started all of it yet.
#[derive(Default)]
pub struct Admissions {
    booked: Mutex<BTreeMap<DeploymentId, Booked>>,
    line: Mutex<BTreeMap<DeploymentId, Standing>>,
    /// One decides after the other: what one takes the next one sees.
    pub(in crate::run) deciding: tokio::sync::Mutex<()>,
    /// Something ended, or somebody has left the line.
    pub(in crate::run) changed: Notify,
    told_that_it_is_blind: AtomicBool,
    pub(in crate::run) told_of_unlimited_builds: AtomicBool,
}

impl Admissions {
    /// Something ended: who waits looks again.
    pub fn something_ended(&self) {
        self.changed.notify_waiters();
    }

    /// Has one that waits look again now.
    pub(in crate::run) fn nudge(&self, id: DeploymentId) {
        if let Some(standing) = self.line().get(&id) {
            standing.nudge.notify_one();
        }
    }

    pub(in crate::run) fn line(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, Standing>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::run) fn booked(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, Booked>> {
        self.booked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says, once, that what runs cannot be measured.
    pub(in crate::run) fn tell_if_blind(&self, load: &HostLoad) {
        let is_blind = !load.containers.is_empty() && load.containers.iter().all(|c| c.memory_used_bytes.is_none());
        if (is_blind || load.memory_bytes <= 0) && !self.told_that_it_is_blind.swap(true, Ordering::Relaxed) {
            let message = "The engine does not say what containers use: deployments wait only for what others reserved";
            tracing::warn!("{message}");
        }
    }
}

#[derive(Clone)]
pub(in crate::run) struct Booked {
    pub project: ProjectName,
    pub amount: Amount,
}

/// One in the line of those who wait for room.
pub(in crate::run) struct Standing {
    pub project: ProjectName,
    pub priority: i8,
    pub since: Instant,
    pub of: &'static str,
    pub wants: Amount,
    pub nudge: Arc<Notify>,
}
