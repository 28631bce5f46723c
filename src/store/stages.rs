//! When each stage of a deployment began and ended.

use super::error::query;
use super::row::{number, optional_number, optional_text, parsed};
use super::{Store, StoreError};
use crate::model::{DeploymentId, Stage};

/// When a stage of a deployment began, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRecord {
    pub stage: Stage,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    /// done, failed, cancelled.
    pub outcome: Option<String>,
    /// Where it begins in the deployment's log, in bytes.
    pub log_offset: i64,
}

impl Store {
    /// Begins a stage; a stage that is begun again after a crash keeps its first beginning.
    pub async fn begin_stage(
        &self,
        deployment: DeploymentId,
        stage: Stage,
        log_offset: u64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write("begin a stage", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO stages (deployment, stage, started_at, log_offset) VALUES (?, ?, ?, ?)
                    ON CONFLICT (deployment, stage) DO UPDATE SET ended_at = NULL, outcome = NULL";
                let query = sqlx::query(sql).bind(deployment.0).bind(stage.word()).bind(now_ms);
                query.bind(log_offset as i64).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Ends every stage of the deployment that is still open.
    pub async fn end_stages(&self, deployment: DeploymentId, outcome: &str, now_ms: i64) -> Result<(), StoreError> {
        let outcome = outcome.to_string();
        self.write("end a stage", move |c| {
            Box::pin(async move {
                let sql = "UPDATE stages SET ended_at = ?, outcome = ? WHERE deployment = ? AND ended_at IS NULL";
                sqlx::query(sql).bind(now_ms).bind(outcome).bind(deployment.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// The stages of a deployment, in the order in which they began.
    pub async fn stages(&self, deployment: DeploymentId) -> Result<Vec<StageRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT stage, started_at, ended_at, outcome, log_offset FROM stages WHERE deployment
            = ? ORDER BY started_at, rowid",
        )
        .bind(deployment.0)
        .fetch_all(&self.readers)
        .await
        .map_err(query("read stages"))?;
        rows.iter()
            .map(|row| {
                Ok(StageRecord {
                    stage: parsed(row, "stage")?,
                    started_ms: number(row, "started_at")?,
                    ended_ms: optional_number(row, "ended_at")?,
                    outcome: optional_text(row, "outcome")?,
                    log_offset: number(row, "log_offset")?,
                })
            })
            .collect()
    }
}
