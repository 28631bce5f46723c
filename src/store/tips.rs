//! The last tip known of each branch and tag.

use super::error::query;
use super::{Store, StoreError};
use crate::model::{CommitId, ProjectName, RefName};
use std::collections::BTreeMap;

impl Store {
    /// Where each ref of a project stood when it was last seen.
    pub async fn tips(&self, project: &ProjectName) -> Result<BTreeMap<RefName, CommitId>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT ref, commit_id FROM tips WHERE project = ?")
            .bind(project.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(query("read tips"))?;
        let content = |error: crate::model::InvalidName| StoreError::Content(error.to_string());
        rows.into_iter()
            .map(|(reference, commit)| {
                Ok((RefName::new(reference).map_err(content)?, CommitId::new(commit).map_err(content)?))
            })
            .collect()
    }

    /// Notes where a ref stands.
    pub async fn note_tip(
        &self,
        project: &ProjectName,
        reference: &RefName,
        commit: &CommitId,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.note_tips(project, vec![(reference.clone(), commit.clone())], now_ms).await
    }

    /// Notes all of them, or none.
    pub async fn note_tips(
        &self,
        project: &ProjectName,
        tips: Vec<(RefName, CommitId)>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let project = project.to_string();
        self.write("note tips", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO tips (project, ref, commit_id, seen_at) VALUES (?, ?, ?, ?)
                    ON CONFLICT (project, ref) DO UPDATE SET commit_id = excluded.commit_id, seen_at = excluded.seen_at";
                for (reference, commit) in tips {
                    let row = sqlx::query(sql).bind(&project).bind(reference.as_str()).bind(commit.as_str());
                    row.bind(now_ms).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
