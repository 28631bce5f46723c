//! Who takes things away: one collection at a time, and nothing in the moment in which a deployment looks.

use crate::model::ReleaseId;
use crate::plan::retention::PastRelease;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};

/// Who collects.
#[derive(Default)]
pub struct Collecting {
    /// One collection at a time; releases do not change, so each is read once.
    pub(in crate::run) releases: Mutex<BTreeMap<ReleaseId, PastRelease>>,
    /// Held while one thing is taken away.
    pub(in crate::run) removing: Arc<Mutex<()>>,
    /// A deployment has ended.
    pub ended: Notify,
}

impl Collecting {
    /// Returns once what is being taken away is gone. What is found on the engine from now on stays, if the store says
    /// that it is needed.
    pub async fn wait_for_removal(&self) {
        drop(self.removing.lock().await);
    }
}
