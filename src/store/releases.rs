//! Releases: immutable once written.

use super::error::query;
use super::row::{json, number, parsed, to_json};
use super::{Store, StoreError};
use crate::model::{CommitId, ComponentName, EnvironmentName, ProjectName, Release, ReleaseId, ReleasePart, Stack};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// A release before it has its number.
#[derive(Debug, Clone)]
pub struct NewRelease {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub stack: Stack,
    pub parts: BTreeMap<ComponentName, ReleasePart>,
}

impl Store {
    /// Stores a release under the next id.
    pub async fn add_release(&self, new: NewRelease, now_ms: i64) -> Result<Release, StoreError> {
        let (stack, parts) = (to_json(&new.stack)?, to_json(&new.parts)?);
        let (project, environment, commit) =
            (new.project.to_string(), new.environment.to_string(), new.commit.to_string());
        let id = self
            .write("add a release", move |c| {
                Box::pin(async move {
                    let sql = "INSERT INTO releases (project, environment, commit_id, stack, parts, created_at)
                        VALUES (?, ?, ?, ?, ?, ?)";
                    let query = sqlx::query(sql).bind(project).bind(environment).bind(commit).bind(stack).bind(parts);
                    Ok(query.bind(now_ms).execute(c).await?.last_insert_rowid())
                })
            })
            .await?;
        let NewRelease { project, environment, commit, stack, parts } = new;
        Ok(Release { id: ReleaseId(id), project, environment, commit, stack, parts })
    }

    /// Its parts anew: the same, with more that is known of how they were written.
    pub async fn note_parts(&self, release: &Release) -> Result<(), StoreError> {
        let (id, parts) = (release.id.0, to_json(&release.parts)?);
        self.write("note a release's parts", move |c| {
            Box::pin(async move {
                sqlx::query("UPDATE releases SET parts = ? WHERE id = ?").bind(parts).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// The release with this id.
    pub async fn release(&self, id: ReleaseId) -> Result<Option<Release>, StoreError> {
        let row = sqlx::query("SELECT id, project, environment, commit_id, stack, parts FROM releases WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a release"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// The newest release of the whole store: the next one's number is higher.
    pub async fn newest_release(&self) -> Result<Option<ReleaseId>, StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM releases")
            .fetch_one(&self.readers)
            .await
            .map_err(query("read releases"))?;
        Ok(newest.map(ReleaseId))
    }

    /// The newest releases of an environment, live or not, the newest first.
    pub async fn newest_releases(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        most: u32,
    ) -> Result<Vec<ReleaseId>, StoreError> {
        let sql = "SELECT id FROM releases WHERE project = ? AND environment = ? ORDER BY id DESC LIMIT ?";
        self.ids_by(sql, (project, environment), most).await
    }

    /// Releases that were live in the environment, the one that went live last first, each once.
    pub async fn releases_once_live(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        most: u32,
    ) -> Result<Vec<ReleaseId>, StoreError> {
        let sql = "SELECT release FROM deployments
            WHERE project = ? AND environment = ? AND state = 'succeeded' AND release IS NOT NULL
            GROUP BY release ORDER BY max(id) DESC LIMIT ?";
        self.ids_by(sql, (project, environment), most).await
    }

    /// The numbers that a query gives which asks for an environment, and for so many at most.
    async fn ids_by(
        &self,
        sql: &'static str,
        (project, environment): (&ProjectName, &EnvironmentName),
        most: u32,
    ) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(sql)
            .bind(project.as_str())
            .bind(environment.as_str())
            .bind(most)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read releases"))?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }
}

fn from_row(row: &SqliteRow) -> Result<Release, StoreError> {
    Ok(Release {
        id: ReleaseId(number(row, "id")?),
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        commit: parsed(row, "commit_id")?,
        stack: json(row, "stack")?,
        parts: json(row, "parts")?,
    })
}
