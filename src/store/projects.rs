//! What is known of a project's repository on its forge.

use super::open::query;
use super::{Store, StoreError};
use crate::model::ProjectName;
use std::sync::PoisonError;

impl Store {
    /// Whether the project's tips were ever compared with what was received.
    pub async fn was_compared(&self, project: &ProjectName) -> Result<bool, StoreError> {
        let found: Option<Option<i64>> = sqlx::query_scalar("SELECT compared_at FROM projects WHERE name = ?")
            .bind(project.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a project"))?;
        Ok(found.flatten().is_some())
    }

    /// Notes the first comparison of a project's tips.
    pub async fn note_compared(&self, project: &ProjectName, now_ms: i64) -> Result<(), StoreError> {
        let name = project.to_string();
        self.write("note that a project's tips were compared", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO projects (name, compared_at) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET compared_at = coalesce(compared_at, excluded.compared_at)";
                sqlx::query(sql).bind(name).bind(now_ms).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// The forge's numeric id of the project's repository, which survives a rename.
    pub async fn repository_id(&self, project: &ProjectName) -> Result<Option<i64>, StoreError> {
        let known = self.repository_ids.read().unwrap_or_else(PoisonError::into_inner).get(project).copied();
        if known.is_some() {
            return Ok(known);
        }
        let found: Option<Option<i64>> = sqlx::query_scalar("SELECT repository_id FROM projects WHERE name = ?")
            .bind(project.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a project"))?;
        if let Some(id) = found.flatten() {
            self.know_repository_id(project, id);
        }
        Ok(found.flatten())
    }

    pub async fn note_repository_id(&self, project: &ProjectName, id: i64) -> Result<(), StoreError> {
        let name = project.to_string();
        self.write("note a repository's id", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO projects (name, repository_id) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET repository_id = excluded.repository_id";
                sqlx::query(sql).bind(name).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await?;
        self.know_repository_id(project, id);
        Ok(())
    }

    fn know_repository_id(&self, project: &ProjectName, id: i64) {
        self.repository_ids.write().unwrap_or_else(PoisonError::into_inner).insert(project.clone(), id);
    }
}
