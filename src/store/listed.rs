//! Deployments by their number in their environment, and releases as they are listed.

use super::error::query;
use super::row::{number, optional_number, parsed, text};
use super::{Store, StoreError};
use crate::model::{CommitId, DeploymentId, EnvironmentName, ProjectName, ReleaseId};

/// A release, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRelease {
    pub id: ReleaseId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub created_ms: i64,
    /// The newest deployment of it, and its commit's subject.
    pub deployment: Option<DeploymentId>,
    pub subject: String,
    /// When it last went live, if it ever did.
    pub live_ms: Option<i64>,
    pub is_live: bool,
}

impl Store {
    /// Deployments that have this number in an environment of this name: one for each project that has such an environment.
    pub async fn numbered(
        &self,
        project: Option<&ProjectName>,
        environment: &EnvironmentName,
        count: i64,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        let sql = "SELECT id FROM deployments WHERE environment = ?1 AND number = ?2 AND (?3 IS NULL OR project = ?3)";
        let ids: Vec<i64> = sqlx::query_scalar(sql)
            .bind(environment.as_str())
            .bind(count)
            .bind(project.map(ProjectName::as_str))
            .fetch_all(&self.readers)
            .await
            .map_err(query("read deployments"))?;
        Ok(ids.into_iter().map(DeploymentId).collect())
    }

    /// The newest releases, of one project or environment where those are named.
    pub async fn listed_releases(
        &self,
        project: Option<&ProjectName>,
        environment: Option<&EnvironmentName>,
        most: u32,
    ) -> Result<Vec<ListedRelease>, StoreError> {
        let sql = "SELECT r.id, r.project, r.environment, r.commit_id, r.created_at, d.id AS deployment,
            coalesce(d.subject, '') AS subject,
            (SELECT max(ended_at) FROM deployments WHERE release = r.id AND state = 'succeeded') AS live_at,
            EXISTS (SELECT 1 FROM environments WHERE live = r.id) AS is_live
            FROM releases r LEFT JOIN deployments d ON d.id = (SELECT max(id) FROM deployments WHERE release = r.id)
            WHERE (?1 IS NULL OR r.project = ?1) AND (?2 IS NULL OR r.environment = ?2) ORDER BY r.id DESC LIMIT ?3";
        let rows = sqlx::query(sql)
            .bind(project.map(ProjectName::as_str))
            .bind(environment.map(EnvironmentName::as_str))
            .bind(most)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read releases"))?;
        let listed = rows.iter().map(|row| {
            Ok(ListedRelease {
                id: ReleaseId(number(row, "id")?),
                project: parsed(row, "project")?,
                environment: parsed(row, "environment")?,
                commit: parsed(row, "commit_id")?,
                created_ms: number(row, "created_at")?,
                deployment: optional_number(row, "deployment")?.map(DeploymentId),
                subject: text(row, "subject")?,
                live_ms: optional_number(row, "live_at")?,
                is_live: number(row, "is_live")? != 0,
            })
        });
        listed.collect()
    }
}
