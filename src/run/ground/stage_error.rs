//! Why a stage did not succeed, and whose fault it is.

use crate::edge::EdgeError;
use crate::engine::EngineError;
use crate::model::{ComponentName, Problem};
use crate::run::ground::reading::ReadError;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a stage of a deployment ended.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// What the commit did wrong: `failure`.
    #[error("{why}")]
    Commit { component: Option<ComponentName>, why: String, last_lines: Vec<String> },
    /// What Launchway or the host did wrong: `error`.
    #[error("{why}")]
    Host { why: String },
    /// The engine does not answer: worth waiting for.
    #[error("{why}")]
    EngineAway { why: String },
    /// What read the commit ended in the middle of it.
    #[error("{why}")]
    ReaderDied { why: String },
    #[error("cancelled")]
    Cancelled,
    /// A newer commit waits, and this one's canary would hold it up.
    #[error("a newer commit waits")]
    Overtaken,
}

impl StageError {
    /// Something of this server, not of the commit.
    pub fn host(error: impl std::fmt::Display) -> Self {
        StageError::Host { why: error.to_string() }
    }
    /// Something of the commit, which its author can mend.
    pub fn commit(why: impl Into<String>) -> Self {
        StageError::Commit { component: None, why: why.into(), last_lines: Vec::new() }
    }
    /// The first problem, and how many more there are.
    pub fn problems(problems: &[Problem]) -> Self {
        let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.is_error()).collect();
        let why = match errors.as_slice() {
            [] => "the Compose file cannot be read".to_string(),
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first} (and {} more, see the log)", rest.len()),
        };
        // What stands in launchway.toml is not the commit's doing.
        match errors.first() {
            Some(first) if first.place.is_none() && first.key.as_deref().is_some_and(is_of_settings) => {
                StageError::Host { why }
            }
            _ => StageError::Commit {
                component: None,
                why,
                last_lines: problems.iter().map(Problem::to_string).collect(),
            },
        }
    }
}

/// A key of launchway.toml.
fn is_of_settings(key: &str) -> bool {
    ["edge.", "projects."].iter().any(|table| key.starts_with(table))
}

impl From<EngineError> for StageError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => StageError::Cancelled,
            EngineError::Unavailable { .. } => StageError::EngineAway { why: error.to_string() },
            EngineError::NotReady { ref last_lines, .. } => {
                let last_lines = last_lines.clone();
                StageError::Commit { component: None, why: error.to_string(), last_lines }
            }
            EngineError::CannotRun { .. } => StageError::commit(error.to_string()),
            other => StageError::host(other),
        }
    }
}

impl From<EdgeError> for StageError {
    fn from(error: EdgeError) -> Self {
        match error {
            EdgeError::Away { .. } | EdgeError::FrontAway { .. } => StageError::EngineAway { why: error.to_string() },
            other => StageError::host(other),
        }
    }
}

impl From<ReadError> for StageError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Died(why) => StageError::ReaderDied { why },
            ReadError::Cancelled => StageError::Cancelled,
            ReadError::Host(why) => StageError::host(why),
        }
    }
}

impl From<crate::store::StoreError> for StageError {
    fn from(error: crate::store::StoreError) -> Self {
        StageError::host(error)
    }
}

/// A sentence about a component's image that the commit is to blame for.
pub fn in_component(name: &ComponentName, error: impl std::fmt::Display) -> StageError {
    StageError::Commit { component: Some(name.clone()), why: format!("{name}: {error}"), last_lines: Vec::new() }
}

/// How long work may take.
pub struct Limit<'a> {
    /// What takes so long, for the sentence that says it: `preparing`.
    pub what: &'a str,
    pub time: Duration,
    /// Work that is stopped comes to rest by itself, so that nothing it asked for goes on behind the back of whoever
    /// looks next; what takes longer than this is let go.
    pub rest: Duration,
}

/// Waits for `work`, unless cancellation or the limit comes first. `stop` is what the work listens to; it fires when
/// the limit has passed, too.
pub async fn within<T>(
    limit: Limit<'_>,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, StageError>>,
) -> Result<T, StageError> {
    within_but_for(limit, &AtomicU64::new(0), stop, work).await
}

/// The same, but for the milliseconds in `held`, which may grow meanwhile: no work is late for what it waits on purpose.
pub async fn within_but_for<T>(
    limit: Limit<'_>,
    held: &AtomicU64,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, StageError>>,
) -> Result<T, StageError> {
    tokio::pin!(work);
    let start = Instant::now();
    let late = async {
        loop {
            let end = start + limit.time + Duration::from_millis(held.load(Ordering::Relaxed));
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    };
    let is_late = tokio::select! {
        biased;
        () = stop.cancelled() => false,
        result = &mut work => return result,
        () = late => true,
    };
    stop.cancel();
    let rest = tokio::time::timeout(limit.rest, work).await;
    let Limit { what, time, .. } = limit;
    Err(match (is_late, rest) {
        (false, _) => StageError::Cancelled,
        (true, Ok(Err(StageError::EngineAway { why }))) => {
            StageError::EngineAway { why: format!("{what} took longer than {} s: {why}", time.as_secs()) }
        }
        (true, _) => StageError::Host {
            why: format!(
                "{what} took longer than {} s; `limits` in launchway.toml sets how long it may take",
                time.as_secs()
            ),
        },
    })
}
