//! What each piece of work of a deployment took.

use super::error::query;
use super::row::{json, number, parsed, text, to_json};
use super::{Store, StoreError};
use crate::model::{ComponentName, DeploymentId, EnvironmentName, ProjectName, Work};
use sqlx::sqlite::SqliteRow;

/// What is read of a row of `work`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "deployment, component, kind, subject, started_at, ended_at, outcome, detail"
    };
}

impl Store {
    /// Notes work that has ended; all of it or, on an error, nothing.
    pub async fn note_work(&self, batch: Vec<Work>) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(batch.len());
        for work in batch {
            let detail = to_json(&work.detail)?;
            rows.push((work, detail));
        }
        self.write("note work", move |c| {
            Box::pin(async move {
                let sql =
                    "INSERT INTO work (deployment, component, kind, subject, started_at, ended_at, outcome, detail)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                for (work, detail) in rows {
                    let component = work.component.map(String::from).unwrap_or_default();
                    let query = sqlx::query(sql).bind(work.deployment.0).bind(component).bind(work.kind.word());
                    let query = query.bind(work.subject).bind(work.started_ms).bind(work.ended_ms);
                    query.bind(work.outcome.word()).bind(detail).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// All noted work of a deployment, in the order in which it began.
    pub async fn work_of(&self, deployment: DeploymentId) -> Result<Vec<Work>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM work WHERE deployment = ? ORDER BY started_at, rowid");
        let rows = sqlx::query(sql).bind(deployment.0).fetch_all(&self.readers).await.map_err(query("read work"))?;
        rows.iter().map(work).collect()
    }

    /// The work of the environment's newest `deployments`, newest deployment first, and within one in the order in which
    /// it began.
    pub async fn work_history(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        deployments: u32,
    ) -> Result<Vec<Work>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM work w WHERE w.deployment IN (
                SELECT id FROM deployments WHERE project = ? AND environment = ? ORDER BY id DESC LIMIT ?)
            ORDER BY w.deployment DESC, w.started_at, w.rowid"
        );
        let query_rows = sqlx::query(sql).bind(project.as_str()).bind(environment.as_str()).bind(deployments);
        let rows = query_rows.fetch_all(&self.readers).await.map_err(query("read the history of work"))?;
        rows.iter().map(work).collect()
    }

    /// The same over all projects and environments.
    pub async fn work_history_of_all(&self, deployments: u32) -> Result<Vec<Work>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM work w WHERE w.deployment IN (SELECT id FROM deployments ORDER BY id DESC LIMIT ?)
            ORDER BY w.deployment DESC, w.started_at, w.rowid"
        );
        let rows = sqlx::query(sql).bind(deployments).fetch_all(&self.readers).await;
        rows.map_err(query("read the history of work"))?.iter().map(work).collect()
    }
}

fn work(row: &SqliteRow) -> Result<Work, StoreError> {
    let component = text(row, "component")?;
    let content = |error: crate::model::InvalidName| StoreError::Content(error.to_string());
    Ok(Work {
        deployment: DeploymentId(number(row, "deployment")?),
        component: if component.is_empty() { None } else { Some(ComponentName::new(component).map_err(content)?) },
        kind: parsed(row, "kind")?,
        subject: text(row, "subject")?,
        started_ms: number(row, "started_at")?,
        ended_ms: number(row, "ended_at")?,
        outcome: parsed(row, "outcome")?,
        detail: json(row, "detail")?,
    })
}

#[cfg(test)]
mod tests;
