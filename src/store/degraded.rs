//! What makes environments degraded, and what somebody stopped.

use super::error::query;
use super::row::{json, number, parsed, text, to_json};
use super::{Store, StoreError};
use crate::model::{ComponentName, Degraded, EnvironmentName, ProjectName};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeSet;

/// One trouble of an environment, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DegradedRecord {
    pub degraded: Degraded,
    pub since_ms: i64,
}

impl Store {
    /// By component.
    pub async fn degraded(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Vec<DegradedRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT component, trouble, why, last_lines, since FROM degraded WHERE project = ? AND
                environment = ? ORDER BY component, trouble",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(query("read what is degraded"))?;
        rows.iter().map(from_row).collect()
    }

    /// All that makes the environment degraded now, in the place of what did before. What goes on keeps its beginning.
    pub async fn set_degraded(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        all: Vec<Degraded>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let before = self.degraded(project, environment).await?;
        let mut rows = Vec::new();
        for degraded in all {
            let same = |old: &&DegradedRecord| {
                old.degraded.component == degraded.component && old.degraded.trouble == degraded.trouble
            };
            let since = before.iter().find(same).map_or(now_ms, |old| old.since_ms);
            rows.push((to_json(&degraded.last_lines)?, degraded, since));
        }
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("note what is degraded", move |c| {
            Box::pin(async move {
                sqlx::query("DELETE FROM degraded WHERE project = ? AND environment = ?")
                    .bind(&project)
                    .bind(&environment)
                    .execute(&mut *c)
                    .await?;
                for (last_lines, degraded, since) in rows {
                    let sql = "INSERT OR REPLACE INTO degraded
                        (project, environment, component, trouble, why, last_lines, since) VALUES (?, ?, ?, ?, ?, ?, ?)";
                    sqlx::query(sql)
                        .bind(&project)
                        .bind(&environment)
                        .bind(degraded.component.as_ref().map_or("", ComponentName::as_str))
                        .bind(degraded.trouble.word())
                        .bind(degraded.why)
                        .bind(last_lines)
                        .bind(since)
                        .execute(&mut *c)
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Ids of the environment's containers that somebody stopped.
    pub async fn stopped(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<BTreeSet<String>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT container FROM stopped WHERE project = ? AND environment = ?")
                .bind(project.as_str())
                .bind(environment.as_str())
                .fetch_all(&self.readers)
                .await
                .map_err(query("read what was stopped"))?;
        Ok(ids.into_iter().collect())
    }

    /// All of the environment's containers that somebody stopped, in the place of those of before.
    pub async fn set_stopped(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        containers: BTreeSet<String>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let before = self.stopped(project, environment).await?;
        if before == containers {
            return Ok(());
        }
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("note what was stopped", move |c| {
            Box::pin(async move {
                for gone in before.difference(&containers) {
                    sqlx::query("DELETE FROM stopped WHERE container = ?").bind(gone).execute(&mut *c).await?;
                }
                for new in containers.difference(&before) {
                    let sql =
                        "INSERT OR REPLACE INTO stopped (container, project, environment, seen_at) VALUES (?, ?, ?, ?)";
                    sqlx::query(sql).bind(new).bind(&project).bind(&environment).bind(now_ms).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes back what was seen to be stopped since then: it was the engine itself that ended.
    pub async fn forget_stopped_since(&self, since_ms: i64) -> Result<(), StoreError> {
        self.write("forget what was stopped", move |c| {
            Box::pin(async move {
                sqlx::query("DELETE FROM stopped WHERE seen_at >= ?").bind(since_ms).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}

fn from_row(row: &SqliteRow) -> Result<DegradedRecord, StoreError> {
    let component = match text(row, "component")?.as_str() {
        "" => None,
        _ => Some(parsed(row, "component")?),
    };
    let degraded = Degraded {
        component,
        trouble: parsed(row, "trouble")?,
        why: text(row, "why")?,
        last_lines: json(row, "last_lines")?,
    };
    Ok(DegradedRecord { degraded, since_ms: number(row, "since")? })
}
