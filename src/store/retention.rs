//! What of the past is known, and forgetting it.

use super::error::query;
use super::row::{number, optional_number, optional_parsed, parsed, text, to_json};
use super::{Store, StoreError};
use crate::model::{Build, CommitId, DeploymentId, ProjectName, Release, ReleaseId};
use crate::plan::retention::{Needs, PastDeployment};
use std::collections::BTreeMap;

impl Store {
    /// The ids of every release, the oldest first.
    pub async fn release_ids(&self) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM releases ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .map_err(query("read releases"))?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    /// Images that were built, each with its tag.
    pub async fn noted_builds(&self) -> Result<BTreeMap<Build, String>, StoreError> {
        let sql = "SELECT reference, project, component, content_key, anew FROM images WHERE content_key IS NOT NULL";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read images"))?;
        let mut builds = BTreeMap::new();
        for row in &rows {
            let Some(key) = optional_parsed(row, "content_key")? else { continue };
            let (project, component) = (parsed(row, "project")?, parsed(row, "component")?);
            let anew = optional_number(row, "anew")?.map(DeploymentId);
            builds.insert(Build { project, component, key, anew }, text(row, "reference")?);
        }
        Ok(builds)
    }

    /// Which releases are needed, and when each was live. A deployment that ended without being put back still needs
    /// what it was putting live: containers of it may be there.
    pub async fn needs(&self) -> Result<Needs, StoreError> {
        let failed = query("read which releases are needed");
        let mut needs = Needs::default();
        let live: Vec<i64> = sqlx::query_scalar("SELECT live FROM environments WHERE live IS NOT NULL")
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        needs.live = live.into_iter().map(ReleaseId).collect();
        for release in &needs.live {
            needs.before_live.insert(*release, self.releases_before(*release).await?);
        }
        let sql = "SELECT release FROM deployments WHERE id IN (SELECT max(id) FROM deployments
            WHERE release IS NOT NULL GROUP BY project, environment)";
        let newest: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&self.readers).await.map_err(&failed)?;
        needs.newest = newest.into_iter().map(ReleaseId).collect();
        let sql = "SELECT id, release, previous FROM deployments WHERE ended_at IS NULL";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(&failed)?;
        let open = rows.iter().map(|row| {
            let ids = (optional_number(row, "release")?, optional_number(row, "previous")?);
            Ok((DeploymentId(number(row, "id")?), ids.0, ids.1))
        });
        let mut needing = open.collect::<Result<Vec<_>, StoreError>>()?;
        for left in self.unsettled_deployments().await? {
            needing.push((left.id, left.release.map(|r| r.0), left.previous.map(|r| r.0)));
        }
        for (id, release, previous) in needing {
            needs.deploying.extend([release, previous].into_iter().flatten().map(|r| (ReleaseId(r), id)));
        }
        let sql = "SELECT release, max(ended_at) AS went_live FROM deployments
            WHERE state = 'succeeded' AND release IS NOT NULL GROUP BY release";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(&failed)?;
        for row in &rows {
            needs.went_live_ms.insert(ReleaseId(number(row, "release")?), number(row, "went_live")?);
        }
        Ok(needs)
    }

    /// Every deployment, as far as keeping it goes.
    pub async fn past_deployments(&self) -> Result<Vec<PastDeployment>, StoreError> {
        let sql = "SELECT id, project, environment, commit_id, release, ended_at,
            EXISTS (SELECT 1 FROM environments e WHERE e.deployment = d.id)
            OR EXISTS (SELECT 1 FROM outbox o WHERE o.deployment = d.id AND o.settled IS NULL)
            OR EXISTS (SELECT 1 FROM hooks h WHERE h.deployment = d.id AND h.outcome IS NULL) AS needed
            FROM deployments d ORDER BY id";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read deployments"))?;
        rows.iter()
            .map(|row| {
                Ok(PastDeployment {
                    id: DeploymentId(number(row, "id")?),
                    project: parsed(row, "project")?,
                    environment: parsed(row, "environment")?,
                    commit: parsed(row, "commit_id")?,
                    release: optional_number(row, "release")?.map(ReleaseId),
                    ended_ms: optional_number(row, "ended_at")?,
                    is_needed: number(row, "needed")? != 0,
                })
            })
            .collect()
    }

    /// Forgets deployments that have ended, with all that hangs on them, each in one transaction with all its rows;
    /// one that somebody has to be told of by now stays.
    pub async fn forget_deployment(&self, id: DeploymentId) -> Result<(), StoreError> {
        self.write("forget a deployment", move |c| {
            Box::pin(async move {
                let needed = "SELECT EXISTS (SELECT 1 FROM deployments WHERE id = ?1 AND ended_at IS NULL)
                    OR EXISTS (SELECT 1 FROM environments WHERE deployment = ?1)
                    OR EXISTS (SELECT 1 FROM outbox WHERE deployment = ?1 AND settled IS NULL)
                    OR EXISTS (SELECT 1 FROM hooks WHERE deployment = ?1 AND outcome IS NULL)";
                if sqlx::query_scalar(needed).bind(id.0).fetch_one(&mut *c).await? {
                    return Ok(());
                }
                for sql in [
                    "DELETE FROM stages WHERE deployment = ?",
                    "DELETE FROM outbox WHERE deployment = ?",
                    "DELETE FROM hooks WHERE deployment = ?",
                    "DELETE FROM canaries WHERE deployment = ?",
                    "DELETE FROM work WHERE deployment = ?",
                    "DELETE FROM release_commands WHERE deployment = ?",
                    "DELETE FROM deployments WHERE id = ?",
                ] {
                    sqlx::query(sql).bind(id.0).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Forgets a release that was made before this time (milliseconds since 1970) and that no deployment and no
    /// environment names any more. Returns its commit where no other release of the project has it.
    pub async fn forget_release(
        &self,
        release: &Release,
        before_ms: i64,
    ) -> Result<Option<(ProjectName, CommitId)>, StoreError> {
        let (id, project, commit) = (release.id.0, release.project.to_string(), release.commit.to_string());
        let is_last = self
            .write("forget a release", move |c| {
                Box::pin(async move {
                    let sql = "DELETE FROM releases WHERE id = ?1 AND created_at < ?2
                        AND NOT EXISTS (SELECT 1 FROM environments WHERE live = ?1)
                        AND NOT EXISTS (SELECT 1 FROM deployments WHERE release = ?1 OR previous = ?1)";
                    if sqlx::query(sql).bind(id).bind(before_ms).execute(&mut *c).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                    let others = "SELECT NOT EXISTS (SELECT 1 FROM releases WHERE project = ? AND commit_id = ?)";
                    sqlx::query_scalar(others).bind(project).bind(commit).fetch_one(&mut *c).await
                })
            })
            .await?;
        Ok(is_last.then(|| (release.project.clone(), release.commit.clone())))
    }

    /// Forgets images that were made before this time (milliseconds since 1970), that no release has, and that are not
    /// among these names.
    pub async fn forget_images(&self, before_ms: i64, there: Vec<String>) -> Result<(), StoreError> {
        let there = to_json(&there)?;
        self.write("forget images", move |c| {
            Box::pin(async move {
                // What releases have is listed once, not for each image.
                let sql = "DELETE FROM images WHERE made_at < ? AND reference NOT IN (SELECT value FROM json_each(?))
                    AND reference NOT IN (SELECT coalesce(json_extract(part.value, '$.image.tag'),
                        json_extract(part.value, '$.image.pinned'), '') FROM releases r, json_each(r.parts) part)";
                sqlx::query(sql).bind(before_ms).bind(there).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets deliveries that came before this time (milliseconds since 1970), were judged, and have no deployment that
    /// is still kept. What is sent again after that counts as new.
    pub async fn forget_deliveries(&self, before_ms: i64) -> Result<(), StoreError> {
        self.write("forget old deliveries", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM deliveries WHERE received_at < ? AND outcome <> 'received'
                    AND number NOT IN (SELECT delivery FROM deployments WHERE delivery IS NOT NULL)";
                sqlx::query(sql).bind(before_ms).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether a deployment has ever been noted under this number, and is no more.
    pub async fn is_forgotten(&self, id: DeploymentId) -> Result<bool, StoreError> {
        let sql = "SELECT ?1 <= (SELECT coalesce(max(id), 0) FROM deployments)
            AND NOT EXISTS (SELECT 1 FROM deployments WHERE id = ?1)";
        sqlx::query_scalar(sql).bind(id.0).fetch_one(&self.readers).await.map_err(query("read a deployment"))
    }
}
