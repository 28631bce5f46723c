//! What is counted and measured over many rows: read in steps, each of them bounded.

use super::Trigger;
use super::error::query;
use super::row::{number, optional_number, parsed, text};
use super::{Store, StoreError};
use crate::model::{DeploymentId, DeploymentState, EnvironmentName, ProjectName, Stage};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// Rows in one answer.
const PIECE: u32 = 2000;

/// What is counted of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentFigures {
    pub id: i64,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub state: DeploymentState,
    pub trigger: Trigger,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
}

/// A stage that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFigures {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub stage: Stage,
    pub took_ms: i64,
}

/// What is counted of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFigures {
    pub number: i64,
    pub project: String,
    /// received (not judged yet), deploys, ignored, superseded, known, failed, invalid, refused
    pub outcome: String,
}

impl Store {
    /// Deployments whose number is above `after`, lowest first, at most 2000; then those of `among`, whatever became of
    /// them. Numbers in `among` must not be above `after`.
    pub async fn deployment_figures(&self, after: i64, among: &[i64]) -> Result<Vec<DeploymentFigures>, StoreError> {
        let columns = "id, project, environment, state, trigger, created_at, started_at, ended_at";
        let new = format!("SELECT {columns} FROM deployments WHERE id > ? ORDER BY id LIMIT {PIECE}");
        let known = format!("SELECT {columns} FROM deployments WHERE id IN (SELECT value FROM json_each(?))");
        let rows = self.new_and_known(new, known, after, among, "count deployments").await?;
        rows.iter()
            .map(|row| {
                Ok(DeploymentFigures {
                    id: number(row, "id")?,
                    project: parsed(row, "project")?,
                    environment: parsed(row, "environment")?,
                    state: parsed(row, "state")?,
                    trigger: parsed(row, "trigger")?,
                    created_ms: number(row, "created_at")?,
                    started_ms: optional_number(row, "started_at")?,
                    ended_ms: optional_number(row, "ended_at")?,
                })
            })
            .collect()
    }

    /// The stages of these deployments that have ended.
    pub async fn stage_figures(&self, deployments: &[i64]) -> Result<Vec<StageFigures>, StoreError> {
        let sql = "SELECT d.project, d.environment, s.stage, s.ended_at - s.started_at AS took
            FROM stages s JOIN deployments d ON d.id = s.deployment
            WHERE s.ended_at IS NOT NULL AND s.deployment IN (SELECT value FROM json_each(?))";
        let rows =
            sqlx::query(sql).bind(list(deployments)).fetch_all(&self.readers).await.map_err(query("measure stages"))?;
        rows.iter()
            .map(|row| {
                Ok(StageFigures {
                    project: parsed(row, "project")?,
                    environment: parsed(row, "environment")?,
                    stage: parsed(row, "stage")?,
                    took_ms: number(row, "took")?,
                })
            })
            .collect()
    }

    /// When the pushes of the environment's newest `deployments` were received (milliseconds since 1970, UTC); those that
    /// come of no delivery are left out.
    pub async fn pushed_times(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        deployments: u32,
    ) -> Result<BTreeMap<DeploymentId, i64>, StoreError> {
        let sql = "SELECT d.id, v.received_at FROM (
                SELECT id, delivery FROM deployments WHERE project = ? AND environment = ? ORDER BY id DESC LIMIT ?) d
            JOIN deliveries v ON v.number = d.delivery";
        let query_rows = sqlx::query(sql).bind(project.as_str()).bind(environment.as_str()).bind(deployments);
        let rows = query_rows.fetch_all(&self.readers).await.map_err(query("read when pushes were received"))?;
        rows.iter().map(|row| Ok((DeploymentId(number(row, "id")?), number(row, "received_at")?))).collect()
    }

    /// As [`Store::deployment_figures`], of deliveries.
    pub async fn delivery_figures(&self, after: i64, among: &[i64]) -> Result<Vec<DeliveryFigures>, StoreError> {
        let new =
            format!("SELECT number, project, outcome FROM deliveries WHERE number > ? ORDER BY number LIMIT {PIECE}");
        let known = "SELECT number, project, outcome FROM deliveries WHERE number IN (SELECT value FROM json_each(?))";
        let rows = self.new_and_known(new, known.into(), after, among, "count deliveries").await?;
        rows.iter()
            .map(|row| {
                Ok(DeliveryFigures {
                    number: number(row, "number")?,
                    project: text(row, "project")?,
                    outcome: text(row, "outcome")?,
                })
            })
            .collect()
    }

    /// Statuses that wait to be sent, and since when the oldest of them does.
    pub async fn outbox_figures(&self) -> Result<(i64, Option<i64>), StoreError> {
        let sql = "SELECT count(*) AS waiting, min(created_at) AS oldest FROM outbox WHERE settled IS NULL";
        let row = sqlx::query(sql).fetch_one(&self.readers).await.map_err(query("measure the outbox"))?;
        Ok((number(&row, "waiting")?, optional_number(&row, "oldest")?))
    }

    async fn new_and_known(
        &self,
        new: String,
        known: String,
        after: i64,
        among: &[i64],
        attempted: &'static str,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let new = sqlx::query(sqlx::AssertSqlSafe(new)).bind(after);
        let mut rows = new.fetch_all(&self.readers).await.map_err(query(attempted))?;
        if !among.is_empty() {
            let known = sqlx::query(sqlx::AssertSqlSafe(known)).bind(list(among));
            rows.extend(known.fetch_all(&self.readers).await.map_err(query(attempted))?);
        }
        Ok(rows)
    }
}

/// As SQLite's `json_each` takes it.
fn list(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}
