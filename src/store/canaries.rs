//! How far canaries have got.

use super::error::query;
use super::row::{number, text};
use super::{Store, StoreError};
use crate::model::{ComponentName, DeploymentId};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// A canary at its share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryRecord {
    pub deployment: DeploymentId,
    pub component: ComponentName,
    /// Whole percent.
    pub weight: u8,
    pub elapsed_ms: i64,
    /// The judge, as JSON.
    pub judge: String,
}

impl Store {
    /// Notes where a canary is; what it has passed stays.
    pub async fn note_canary(&self, record: CanaryRecord) -> Result<(), StoreError> {
        self.write("note a canary", move |c| {
            Box::pin(async move {
                let CanaryRecord { deployment, component, weight, elapsed_ms, judge } = record;
                let sql = "INSERT INTO canaries (deployment, component, weight, elapsed_ms, judge, passed)
                    VALUES (?, ?, ?, ?, ?, 0)
                    ON CONFLICT (deployment, component) DO UPDATE SET
                        weight = excluded.weight, elapsed_ms = excluded.elapsed_ms, judge = excluded.judge";
                let query = sqlx::query(sql).bind(deployment.0).bind(component.to_string()).bind(i64::from(weight));
                query.bind(elapsed_ms).bind(judge).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that a canary has passed a share; never taken back. Whether it is under way.
    pub async fn pass_canary(
        &self,
        deployment: DeploymentId,
        component: &ComponentName,
        weight: u8,
    ) -> Result<bool, StoreError> {
        let component = component.to_string();
        self.write("note that a canary has passed", move |c| {
            Box::pin(async move {
                let sql = "UPDATE canaries SET passed = max(passed, ?) WHERE deployment = ? AND component = ?";
                let query = sqlx::query(sql).bind(i64::from(weight)).bind(deployment.0).bind(component);
                Ok(query.execute(c).await?.rows_affected() > 0)
            })
        })
        .await
    }

    /// The canaries of a deployment, each with what it has passed.
    pub async fn canaries(&self, deployment: DeploymentId) -> Result<Vec<(CanaryRecord, u8)>, StoreError> {
        let rows =
            sqlx::query("SELECT component, weight, elapsed_ms, judge, passed FROM canaries WHERE deployment = ?")
                .bind(deployment.0)
                .fetch_all(&self.readers)
                .await
                .map_err(query("read canaries"))?;
        rows.iter()
            .map(|row| {
                let record = CanaryRecord {
                    deployment,
                    component: component(row)?,
                    weight: percent(number(row, "weight")?),
                    elapsed_ms: number(row, "elapsed_ms")?,
                    judge: text(row, "judge")?,
                };
                Ok((record, percent(number(row, "passed")?)))
            })
            .collect()
    }

    /// What each canary of a deployment has passed.
    pub async fn passed_canaries(&self, deployment: DeploymentId) -> Result<BTreeMap<ComponentName, u8>, StoreError> {
        let rows = sqlx::query("SELECT component, passed FROM canaries WHERE deployment = ? AND passed > 0")
            .bind(deployment.0)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what canaries have passed"))?;
        rows.iter().map(|row| Ok((component(row)?, percent(number(row, "passed")?)))).collect()
    }
}

fn component(row: &SqliteRow) -> Result<ComponentName, StoreError> {
    ComponentName::new(text(row, "component")?).map_err(|error| StoreError::Content(error.to_string()))
}

fn percent(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(100)
}
