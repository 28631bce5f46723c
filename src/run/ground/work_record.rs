//! Notes what each piece of a deployment's work took. What cannot be noted is lost: no deployment waits for it or fails
//! because of it, and what a crash cuts off leaves no row.

use crate::model::{ComponentName, DeploymentId, Work, WorkDetail, WorkKind, WorkOutcome};
use crate::run::ground::disk_meter::{DiskMeter, Measuring};
use crate::run::ground::ids::now_ms;
use crate::store::Store;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// More than that does not wait to be written: the store is stuck, and memory is worth more.
const MOST_WAITING: usize = 10_000;

/// Cheap to clone; all clones write to the same store.
#[derive(Clone)]
pub struct WorkRecord {
    store: Store,
    tasks: TaskTracker,
    waiting: Arc<Mutex<Vec<Work>>>,
    pub disk: DiskMeter,
}

impl WorkRecord {
    /// Writes to the store in the background.
    pub fn new(store: Store, tasks: TaskTracker) -> Self {
        Self { store, tasks, waiting: Arc::default(), disk: DiskMeter::default() }
    }

    /// Begins a piece of work. Dropped without an end, it counts as cancelled.
    pub fn begin(
        &self,
        deployment: DeploymentId,
        component: Option<&ComponentName>,
        kind: WorkKind,
        subject: &str,
    ) -> Begun {
        let now = now_ms();
        let work = Work {
            deployment,
            component: component.cloned(),
            kind,
            subject: subject.to_string(),
            started_ms: now,
            ended_ms: now,
            outcome: WorkOutcome::Cancelled,
            detail: WorkDetail::default(),
        };
        let adds = matches!(kind, WorkKind::Build | WorkKind::Pull).then(|| self.disk.begin());
        Begun { works: self.clone(), work: Some(work), start: Instant::now(), adds }
    }

    /// Notes work that has ended, soon: what comes while some is being written is written together.
    pub fn note(&self, work: Work) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST_WAITING {
            return;
        }
        waiting.push(work);
        if waiting.len() > 1 {
            return;
        }
        let works = self.clone();
        self.tasks.spawn(async move {
            let batch = std::mem::take(&mut *lock(&works.waiting));
            if let Err(error) = works.store.note_work(batch).await {
                tracing::warn!(error = %error, "What work took could not be noted");
            }
        });
    }
}

/// A piece of work under way.
pub struct Begun {
    works: WorkRecord,
    work: Option<Work>,
    start: Instant,
    /// What it adds to the disk.
    adds: Option<Measuring>,
}

impl Begun {
    /// It has ended so.
    pub fn ended(self, outcome: WorkOutcome) {
        self.ended_with(outcome, WorkDetail::default());
    }

    /// It has ended so, with what is worth keeping of it.
    pub fn ended_with(mut self, outcome: WorkOutcome, detail: WorkDetail) {
        if let Some(work) = &mut self.work {
            (work.outcome, work.detail) = (outcome, detail);
            work.detail.disk_bytes = self.adds.as_ref().and_then(Measuring::added);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else { return };
        work.ended_ms = work.started_ms + milliseconds(self.start.elapsed());
        self.works.note(work);
    }
}

/// A fetch that goes on before anybody knows which deployments come of it.
pub struct Fetching {
    subject: String,
    started_ms: i64,
    start: Instant,
}

impl Fetching {
    /// `subject`: what is fetched, for people.
    pub fn begin(subject: &str) -> Self {
        Self { subject: subject.to_string(), started_ms: now_ms(), start: Instant::now() }
    }

    /// It has ended well.
    pub fn ended(self) -> Fetched {
        let Self { subject, started_ms, start } = self;
        Fetched { subject, started_ms, took: start.elapsed() }
    }
}

/// A fetch that ended well: work of each deployment that comes of it.
pub struct Fetched {
    subject: String,
    started_ms: i64,
    took: Duration,
}

impl Fetched {
    /// The fetch as work of a deployment that came of it.
    pub fn as_work_of(&self, deployment: DeploymentId) -> Work {
        Work {
            deployment,
            component: None,
            kind: WorkKind::Fetch,
            subject: self.subject.clone(),
            started_ms: self.started_ms,
            ended_ms: self.started_ms + milliseconds(self.took),
            outcome: WorkOutcome::Done,
            detail: WorkDetail::default(),
        }
    }
}

/// A time as the store keeps it; longer ones than that are its most.
pub fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn lock(waiting: &Mutex<Vec<Work>>) -> std::sync::MutexGuard<'_, Vec<Work>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
