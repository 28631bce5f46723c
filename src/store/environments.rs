//! What is live where.

use super::open::query;
use super::{Store, StoreError};
use crate::model::{DeploymentId, EnvironmentName, ProjectName, ReleaseId};
use sqlx::Row;

/// What an environment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub release: ReleaseId,
    /// The deployment that made it live.
    pub deployment: DeploymentId,
}

impl Store {
    pub async fn live(&self, project: &ProjectName, environment: &EnvironmentName) -> Result<Option<Live>, StoreError> {
        let sql =
            "SELECT live, deployment FROM environments WHERE project = ? AND environment = ? AND live IS NOT NULL";
        let row = sqlx::query(sql)
            .bind(project.as_str())
            .bind(environment.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read what is live"))?;
        Ok(row.map(|row| Live { release: ReleaseId(row.get("live")), deployment: DeploymentId(row.get("deployment")) }))
    }

    pub async fn set_live(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        live: Live,
    ) -> Result<(), StoreError> {
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("note what is live", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO environments (project, environment, live, deployment) VALUES (?, ?, ?, ?)
                    ON CONFLICT (project, environment) DO UPDATE SET live = excluded.live, deployment = excluded.deployment";
                sqlx::query(sql)
                    .bind(&project)
                    .bind(&environment)
                    .bind(live.release.0)
                    .bind(live.deployment.0)
                    .execute(&mut *c)
                    .await?;
                // From now on this is what is gone back to.
                let sql = "DELETE FROM found WHERE project = ? AND environment = ?";
                sqlx::query(sql).bind(project).bind(environment).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}
