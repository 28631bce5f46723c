//! What stood in an environment before a deployment changed it, and no deployment had made.

use super::error::query;
use super::row::{number, text};
use super::{Store, StoreError};
use crate::model::{DeploymentId, EnvironmentName, FoundContainer, ProjectName};

impl Store {
    /// Notes, before the first step, that what runs is about to be touched, and what is found. A container that is noted
    /// already stays as it was noted: a deployment that was not put back may have moved it since.
    pub async fn note_touched(&self, id: DeploymentId, found: Vec<FoundContainer>) -> Result<(), StoreError> {
        self.write("note that a deployment begins to change what runs", move |c| {
            Box::pin(async move {
                sqlx::query("UPDATE deployments SET touched = 1 WHERE id = ?").bind(id.0).execute(&mut *c).await?;
                let sql = "INSERT OR IGNORE INTO found (project, environment, container, name, is_up)
                    SELECT project, environment, ?, ?, ? FROM deployments WHERE id = ?";
                for one in &found {
                    let row = sqlx::query(sql).bind(&one.id).bind(&one.name).bind(one.is_up);
                    row.bind(id.0).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// By the engine's ids.
    pub async fn found(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Vec<FoundContainer>, StoreError> {
        let sql = "SELECT container, name, is_up FROM found WHERE project = ? AND environment = ? ORDER BY container";
        let rows = sqlx::query(sql).bind(project.as_str()).bind(environment.as_str()).fetch_all(&self.readers).await;
        let rows = rows.map_err(query("read what was there before"))?;
        let one = |row: &sqlx::sqlite::SqliteRow| {
            Ok(FoundContainer {
                id: text(row, "container")?,
                name: text(row, "name")?,
                is_up: number(row, "is_up")? != 0,
            })
        };
        rows.iter().map(one).collect()
    }

    /// All of it stands again as it stood.
    pub async fn forget_found(&self, project: &ProjectName, environment: &EnvironmentName) -> Result<(), StoreError> {
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("forget what was there before", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM found WHERE project = ? AND environment = ?";
                sqlx::query(sql).bind(project).bind(environment).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}
