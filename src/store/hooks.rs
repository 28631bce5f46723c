//! What hooks on the server still have to be told.

use super::error::query;
use super::row::{number, parsed};
use super::{Deployment, Store, StoreError};
use crate::model::{DeploymentId, EnvironmentName, LifecycleEvent, ProjectName};
use sqlx::SqliteConnection;

/// One event that a hook was not told of yet, or not to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingHook {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub deployment: DeploymentId,
    pub event: LifecycleEvent,
}

/// How telling a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOutcome {
    /// There is no such hook.
    None,
    Done,
    Failed,
    /// It took longer than it may.
    Killed,
    /// It is not executable, or everybody may change it.
    Refused,
}

impl HookOutcome {
    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Refused => "refused",
        }
    }
}

impl Store {
    /// In the order in which it happened.
    pub async fn waiting_hooks(&self) -> Result<Vec<WaitingHook>, StoreError> {
        let sql = "SELECT d.project, d.environment, h.deployment, h.event FROM hooks h
            JOIN deployments d ON d.id = h.deployment WHERE h.outcome IS NULL ORDER BY h.number";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read hooks"))?;
        rows.iter()
            .map(|row| {
                Ok(WaitingHook {
                    project: parsed(row, "project")?,
                    environment: parsed(row, "environment")?,
                    deployment: DeploymentId(number(row, "deployment")?),
                    event: parsed(row, "event")?,
                })
            })
            .collect()
    }

    /// Notes what became of a hook; it is not run again.
    pub async fn settle_hook(
        &self,
        deployment: DeploymentId,
        event: LifecycleEvent,
        outcome: HookOutcome,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write("note that a hook was told", move |c| {
            Box::pin(async move {
                let sql = "UPDATE hooks SET outcome = ?, ended_at = ? WHERE deployment = ? AND event = ?";
                let query = sqlx::query(sql).bind(outcome.word()).bind(now_ms).bind(deployment.0);
                query.bind(event.word()).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Notes what hooks are to be told of a deployment that has just come into its state, in the transaction that says so.
/// A deployment that is begun again after a restart was told of already.
pub(super) async fn put_hook(c: &mut SqliteConnection, of: &Deployment, now_ms: i64) -> Result<(), sqlx::Error> {
    let Some(event) = LifecycleEvent::of(of.state) else { return Ok(()) };
    let sql = "INSERT OR IGNORE INTO hooks (deployment, event, created_at) VALUES (?, ?, ?)";
    sqlx::query(sql).bind(of.id.0).bind(event.word()).bind(now_ms).execute(c).await?;
    Ok(())
}
