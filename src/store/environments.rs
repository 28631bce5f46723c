//! What is live where.

use super::error::query;
use super::row::{number, parsed};
use super::{Store, StoreError};
use crate::model::{DeploymentId, EnvironmentName, ProjectName, ReleaseId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// What an environment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub release: ReleaseId,
    /// The deployment that made it live.
    pub deployment: DeploymentId,
}

impl Store {
    /// What an environment shows; `None` where nothing is live.
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

    /// Every environment in which something is live, in the order of names.
    pub async fn all_live(&self) -> Result<Vec<(ProjectName, EnvironmentName, Live)>, StoreError> {
        let sql = "SELECT project, environment, live, deployment FROM environments
            WHERE live IS NOT NULL ORDER BY project, environment";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read what is live"))?;
        let live = |row: &SqliteRow| -> Result<Live, StoreError> {
            Ok(Live { release: ReleaseId(number(row, "live")?), deployment: DeploymentId(number(row, "deployment")?) })
        };
        rows.iter().map(|row| Ok((parsed(row, "project")?, parsed(row, "environment")?, live(row)?))).collect()
    }

    /// Nothing is live there any more.
    pub async fn forget_live(&self, project: &ProjectName, environment: &EnvironmentName) -> Result<(), StoreError> {
        let (project, environment) = (project.to_string(), environment.to_string());
        self.write("note that nothing is live", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM environments WHERE project = ? AND environment = ?";
                sqlx::query(sql).bind(project).bind(environment).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes what an environment shows from now on.
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
