//! What is known of a project's repository on its forge.

use super::error::query;
use super::{Store, StoreError};
use crate::model::{NumberedRepository, ProjectName};
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

    /// What the forge's number of the project's repository is known to be.
    pub async fn numbered_repository(&self, project: &ProjectName) -> Result<Option<NumberedRepository>, StoreError> {
        let known = self.numbered.read().unwrap_or_else(PoisonError::into_inner).get(project).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found: Option<(Option<i64>, Option<String>)> =
            sqlx::query_as("SELECT repository_id, repository_name FROM projects WHERE name = ?")
                .bind(project.as_str())
                .fetch_optional(&self.readers)
                .await
                .map_err(query("read a project"))?;
        let Some((Some(id), name)) = found else { return Ok(None) };
        let known = NumberedRepository { id, name };
        self.know(project, known.clone());
        Ok(Some(known))
    }

    /// Notes which number the forge gives to the repository of this full name.
    pub async fn note_repository_number(&self, project: &ProjectName, id: i64, name: &str) -> Result<(), StoreError> {
        let (row, repository) = (project.to_string(), name.to_string());
        self.write("note a repository's number", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO projects (name, repository_id, repository_name) VALUES (?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET repository_id = excluded.repository_id,
                    repository_name = excluded.repository_name";
                sqlx::query(sql).bind(row).bind(id).bind(repository).execute(c).await?;
                Ok(())
            })
        })
        .await?;
        self.know(project, NumberedRepository { id, name: Some(name.to_string()) });
        Ok(())
    }

    fn know(&self, project: &ProjectName, known: NumberedRepository) {
        self.numbered.write().unwrap_or_else(PoisonError::into_inner).insert(project.clone(), known);
    }
}
