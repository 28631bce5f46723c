//! Environments that somebody paused.

use super::error::query;
use super::row::{number, optional_text, parsed, text};
use super::{Store, StoreError};
use crate::model::{EnvironmentName, ProjectName};
use sqlx::sqlite::SqliteRow;

/// What is read of a row of `pauses`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "project, environment, paused_by, reason, since"
    };
}

/// Nothing is watched or deployed in the environment until somebody resumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub by: String,
    pub reason: Option<String>,
    pub since_ms: i64,
}

impl Store {
    /// Every environment that is paused.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM pauses"))
            .fetch_all(&self.readers)
            .await
            .map_err(query("read pauses"))?;
        rows.iter().map(from_row).collect()
    }

    /// The pause of an environment; `None` where it is not paused.
    pub async fn pause(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Option<Pause>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM pauses WHERE project = ? AND environment = ?"))
            .bind(project.as_str())
            .bind(environment.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a pause"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// Pauses an environment; one that is paused already keeps its beginning.
    pub async fn add_pause(&self, pause: Pause) -> Result<(), StoreError> {
        self.write("pause an environment", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO pauses (project, environment, paused_by, reason, since) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (project, environment)
                    DO UPDATE SET paused_by = excluded.paused_by, reason = excluded.reason";
                sqlx::query(sql)
                    .bind(pause.project.as_str())
                    .bind(pause.environment.as_str())
                    .bind(pause.by)
                    .bind(pause.reason)
                    .bind(pause.since_ms)
                    .execute(c)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether it was paused.
    pub async fn remove_pause(&self, project: &ProjectName, environment: &EnvironmentName) -> Result<bool, StoreError> {
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("resume an environment", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM pauses WHERE project = ? AND environment = ?";
                Ok(sqlx::query(sql).bind(project).bind(environment).execute(c).await?.rows_affected() == 1)
            })
        })
        .await
    }
}

fn from_row(row: &SqliteRow) -> Result<Pause, StoreError> {
    Ok(Pause {
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        by: text(row, "paused_by")?,
        reason: optional_text(row, "reason")?,
        since_ms: number(row, "since")?,
    })
}
