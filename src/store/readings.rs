//! Deployments whose commits are being read, and what has died of them.

use super::{Store, StoreError};
use crate::model::DeploymentId;

impl Store {
    /// Sets the mark that a deployment's commit is about to be read or planned: where it still stands at the next start,
    /// the process died of it, or while it did.
    pub async fn begin_reading(&self, id: DeploymentId) -> Result<(), StoreError> {
        self.mark_reading(id, true).await
    }

    /// Takes the mark away: what comes next is no reading, or the reading is over.
    pub async fn end_reading(&self, id: DeploymentId) -> Result<(), StoreError> {
        self.mark_reading(id, false).await
    }

    async fn mark_reading(&self, id: DeploymentId, reads: bool) -> Result<(), StoreError> {
        self.write("mark what is read", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET reading = ? WHERE id = ?";
                sqlx::query(sql).bind(reads).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that a reader died of a deployment's commit; returns how often something has.
    pub async fn note_reader_death(&self, id: DeploymentId) -> Result<u32, StoreError> {
        self.write("note that a reader died", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET deaths = deaths + 1 WHERE id = ? RETURNING deaths";
                let deaths: i64 = sqlx::query_scalar(sql).bind(id.0).fetch_one(c).await?;
                Ok(u32::try_from(deaths).unwrap_or(u32::MAX))
            })
        })
        .await
    }

    /// At the start: marks that still stand count as deaths. Returns whose they were. What has begun to change what runs
    /// is not counted: it goes on, or back.
    pub async fn count_marks(&self) -> Result<Vec<DeploymentId>, StoreError> {
        self.write("count what the process died of", |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET deaths = deaths + 1
                    WHERE reading = 1 AND ended_at IS NULL AND touched = 0 RETURNING id";
                let ids: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut *c).await?;
                sqlx::query("UPDATE deployments SET reading = 0 WHERE reading = 1").execute(c).await?;
                Ok(ids.into_iter().map(DeploymentId).collect())
            })
        })
        .await
    }
}
