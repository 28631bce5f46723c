//! What components started on in place of what they had, because somebody said so; and unnamed volumes that were left.

use super::audit::{Action, AuditEntry, put_audit};
use super::error::query;
use super::row::{number, optional_text, parsed, text};
use super::{Store, StoreError};
use crate::model::{ComponentName, DeploymentId, EnvironmentName, ProjectName};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeSet;

/// Somebody's yes to a component's starting on something else at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshVolume {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub component: ComponentName,
    pub path: String,
    /// What it had, such as `volume shop_data`.
    pub old: String,
    /// What it has from then on.
    pub new: String,
    /// The volume that it had, where it was one.
    pub old_volume: Option<String>,
    pub by: String,
    pub at_ms: i64,
}

/// An unnamed volume that no container has any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftUnnamed {
    pub volume: String,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub component: ComponentName,
    pub replica: u32,
    pub path: String,
    /// Its container was of a live release.
    pub was_live: bool,
    pub at_ms: i64,
}

impl Store {
    /// What of an environment somebody has said yes to starting on something else.
    pub async fn fresh_volumes(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Vec<FreshVolume>, StoreError> {
        let rows = sqlx::query(
            "SELECT project, environment, component, path, old, new, old_volume, by, at FROM
            fresh_volumes WHERE project = ? AND environment = ?",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(query("read what started on fresh volumes"))?;
        rows.iter().map(fresh_from_row).collect()
    }

    /// Remembers what was said yes to, each with its row of the audit, for the deployment at which it was said.
    pub async fn note_fresh_volumes(&self, all: Vec<FreshVolume>, deployment: DeploymentId) -> Result<(), StoreError> {
        self.write("note what starts on a fresh volume", move |c| {
            Box::pin(async move {
                for fresh in all {
                    let sql = "INSERT OR REPLACE INTO fresh_volumes
                        (project, environment, component, path, old, new, old_volume, by, at)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
                    sqlx::query(sql)
                        .bind(fresh.project.as_str())
                        .bind(fresh.environment.as_str())
                        .bind(fresh.component.as_str())
                        .bind(&fresh.path)
                        .bind(&fresh.old)
                        .bind(&fresh.new)
                        .bind(&fresh.old_volume)
                        .bind(&fresh.by)
                        .bind(fresh.at_ms)
                        .execute(&mut *c)
                        .await?;
                    let reason = format!("{} at {}: {} -> {}", fresh.component, fresh.path, fresh.old, fresh.new);
                    let entry = AuditEntry {
                        at_ms: fresh.at_ms,
                        by: fresh.by,
                        action: Action::FreshVolume,
                        project: fresh.project,
                        environment: fresh.environment,
                        deployment: Some(deployment),
                        reason: Some(reason),
                    };
                    put_audit(&mut *c, &entry).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Unnamed volumes of an environment that were left lying, the oldest first.
    pub async fn left_volumes(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Vec<LeftUnnamed>, StoreError> {
        let rows = sqlx::query(
            "SELECT volume, project, environment, component, replica, path, was_live, at FROM
            left_volumes WHERE project = ? AND environment = ? ORDER BY at, volume",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(query("read which unnamed volumes were left"))?;
        rows.iter().map(left_from_row).collect()
    }

    /// Notes volumes that are left, and forgets those of an environment that are not among what is `there`.
    pub async fn note_left_volumes(
        &self,
        left: Vec<LeftUnnamed>,
        (project, environment): (ProjectName, EnvironmentName),
        there: Vec<String>,
    ) -> Result<(), StoreError> {
        let there = super::row::to_json(&there)?;
        self.write("note which unnamed volumes are left", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM left_volumes WHERE project = ? AND environment = ?
                    AND volume NOT IN (SELECT value FROM json_each(?))";
                sqlx::query(sql).bind(project.as_str()).bind(environment.as_str()).bind(there).execute(&mut *c).await?;
                for one in left {
                    let sql = "INSERT OR REPLACE INTO left_volumes
                        (volume, project, environment, component, replica, path, was_live, at)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                    sqlx::query(sql)
                        .bind(&one.volume)
                        .bind(one.project.as_str())
                        .bind(one.environment.as_str())
                        .bind(one.component.as_str())
                        .bind(one.replica)
                        .bind(&one.path)
                        .bind(one.was_live)
                        .bind(one.at_ms)
                        .execute(&mut *c)
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Volumes that an environment goes on with though nothing on them says that they are its own.
    pub async fn kept_volumes(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<BTreeSet<String>, StoreError> {
        let rows = sqlx::query("SELECT volume FROM kept_volumes WHERE project = ? AND environment = ?")
            .bind(project.as_str())
            .bind(environment.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(query("read which volumes are kept"))?;
        rows.iter().map(|row| text(row, "volume")).collect()
    }

    /// Notes volumes that stay when the environment is removed.
    pub async fn note_kept_volumes(
        &self,
        (project, environment): (ProjectName, EnvironmentName),
        volumes: BTreeSet<String>,
    ) -> Result<(), StoreError> {
        self.write("note which volumes are kept", move |c| {
            Box::pin(async move {
                for volume in volumes {
                    sqlx::query("INSERT OR IGNORE INTO kept_volumes (project, environment, volume) VALUES (?, ?, ?)")
                        .bind(project.as_str())
                        .bind(environment.as_str())
                        .bind(volume)
                        .execute(&mut *c)
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn fresh_from_row(row: &SqliteRow) -> Result<FreshVolume, StoreError> {
    Ok(FreshVolume {
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        component: parsed(row, "component")?,
        path: text(row, "path")?,
        old: text(row, "old")?,
        new: text(row, "new")?,
        old_volume: optional_text(row, "old_volume")?,
        by: text(row, "by")?,
        at_ms: number(row, "at")?,
    })
}

fn left_from_row(row: &SqliteRow) -> Result<LeftUnnamed, StoreError> {
    Ok(LeftUnnamed {
        volume: text(row, "volume")?,
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        component: parsed(row, "component")?,
        replica: u32::try_from(number(row, "replica")?).unwrap_or(u32::MAX),
        path: text(row, "path")?,
        was_live: number(row, "was_live")? != 0,
        at_ms: number(row, "at")?,
    })
}
