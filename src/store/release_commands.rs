//! Which release commands have begun, and which have ended well.

use super::error::query;
use super::{Store, StoreError};
use crate::model::{ComponentName, DeploymentId, EnvironmentName, ProjectName, ReleaseId};
use std::collections::BTreeSet;

impl Store {
    /// Notes that a component's release command has begun for a deployment, and whether it has ended well; that it has
    /// is never taken back.
    pub async fn note_release_command(
        &self,
        deployment: DeploymentId,
        component: &ComponentName,
        ended_well: bool,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let component = component.to_string();
        self.write("note a release command", move |c| {
            Box::pin(async move {
                let sql = "INSERT INTO release_commands (deployment, component, ended_well, noted_at) VALUES (?, ?, ?, ?)
                    ON CONFLICT (deployment, component) DO UPDATE SET ended_well = max(ended_well, excluded.ended_well)";
                let query = sqlx::query(sql).bind(deployment.0).bind(component);
                query.bind(ended_well).bind(now_ms).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Components whose release command has ended well for the deployment.
    pub async fn ended_release_commands(
        &self,
        deployment: DeploymentId,
    ) -> Result<BTreeSet<ComponentName>, StoreError> {
        let sql = "SELECT component FROM release_commands WHERE deployment = ? AND ended_well = 1";
        let names: Vec<String> =
            sqlx::query_scalar(sql).bind(deployment.0).fetch_all(&self.readers).await.map_err(read())?;
        let content = |error: crate::model::InvalidName| StoreError::Content(error.to_string());
        names.into_iter().map(|name| ComponentName::new(name).map_err(content)).collect()
    }

    /// Whether any release command has begun for the deployment.
    pub async fn release_command_ran(&self, deployment: DeploymentId) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM release_commands WHERE deployment = ?)")
            .bind(deployment.0)
            .fetch_one(&self.readers)
            .await
            .map_err(read())
    }

    /// Whether any release command has begun for a release that is newer than the first and not newer than the second.
    pub async fn release_command_ran_between(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        older: ReleaseId,
        newer: ReleaseId,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM release_commands c JOIN deployments d ON d.id = c.deployment
            WHERE d.project = ? AND d.environment = ? AND d.release > ? AND d.release <= ?)";
        sqlx::query_scalar(sql)
            .bind(project.as_str())
            .bind(environment.as_str())
            .bind(older.0)
            .bind(newer.0)
            .fetch_one(&self.readers)
            .await
            .map_err(read())
    }
}

fn read() -> impl Fn(sqlx::Error) -> StoreError {
    query("read release commands")
}
