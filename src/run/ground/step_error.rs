//! Why a step of a plan did not succeed.

use crate::edge::EdgeError;
use crate::engine::EngineError;
use crate::model::ComponentName;
use crate::run::ground::contained::Broke;
use crate::run::ground::stage_error::StageError;

/// The step that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct StepFailed {
    pub step: u32,
    pub component: Option<ComponentName>,
    pub subject: String,
    #[source]
    pub error: StepError,
}

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The verdict on a new release, with its figures.
    #[error("{why}")]
    Worse { why: String },
    /// The engine went away, and took what it ran along.
    #[error("the engine went away and took its containers along")]
    EngineEnded,
    /// A newer commit waits for the environment.
    #[error("a newer commit waits")]
    Overtaken,
    /// What a hold has to be remembered by cannot be noted.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Broke(#[from] Broke),
}

impl StepError {
    /// Whether somebody ended it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(EngineError::Cancelled))
    }
}

impl From<StepFailed> for StageError {
    fn from(failed: StepFailed) -> Self {
        let StepFailed { component, subject, error, .. } = failed;
        let setback = match error {
            StepError::Engine(error) => error.into(),
            StepError::Edge(error) => error.into(),
            StepError::Worse { why } => StageError::commit(why),
            StepError::EngineEnded => StageError::EngineAway { why: error.to_string() },
            StepError::Overtaken => StageError::Overtaken,
            StepError::Store(error) => error.into(),
            StepError::Broke(broke) => StageError::host(broke),
        };
        match setback {
            StageError::Commit { why, last_lines, .. } => StageError::Commit { component, why, last_lines },
            StageError::Host { why } => StageError::Host { why: format!("{subject}: {why}") },
            other => other,
        }
    }
}
