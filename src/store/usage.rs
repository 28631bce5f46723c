//! What components used, an hour a row, kept for 90 days.

use super::error::query;
use super::row::{number, parsed};
use super::{Store, StoreError};
use crate::model::{ComponentName, EnvironmentName, ProjectName};
use crate::plan::admission::PastUse;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// What is read of a row of `usage`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "project, environment, component, hour, cpu_ms, memory_max_bytes, memory_byte_seconds, seconds, \
         samples"
    };
}

const KEPT_HOURS: i64 = 90 * 24;
const HOUR_MS: i64 = 3_600_000;

/// What one component used in one hour, or what one look adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub component: ComponentName,
    /// Hours since 1970 (UTC).
    pub hour: i64,
    pub cpu_ms: i64,
    /// The most that one replica had, without page cache.
    pub memory_max_bytes: i64,
    /// Over all replicas; divided by 3.6e12 these are GB-hours.
    pub memory_byte_seconds: i64,
    /// Time that was looked at, over all replicas.
    pub seconds: i64,
    /// Looks at a replica.
    pub samples: i64,
}

impl Store {
    /// Adds what a look saw to its hours, and forgets what is older than 90 days.
    pub async fn add_usage(&self, all: Vec<Usage>, now_ms: i64) -> Result<(), StoreError> {
        self.write("note what is used", move |c| {
            Box::pin(async move {
                for usage in all {
                    let sql = "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                        ON CONFLICT (project, environment, component, hour) DO UPDATE SET
                            cpu_ms = cpu_ms + excluded.cpu_ms,
                            memory_max_bytes = max(memory_max_bytes, excluded.memory_max_bytes),
                            memory_byte_seconds = memory_byte_seconds + excluded.memory_byte_seconds,
                            seconds = seconds + excluded.seconds,
                            samples = samples + excluded.samples";
                    sqlx::query(sql)
                        .bind(usage.project.to_string())
                        .bind(usage.environment.to_string())
                        .bind(usage.component.to_string())
                        .bind(usage.hour)
                        .bind(usage.cpu_ms)
                        .bind(usage.memory_max_bytes)
                        .bind(usage.memory_byte_seconds)
                        .bind(usage.seconds)
                        .bind(usage.samples)
                        .execute(&mut *c)
                        .await?;
                }
                let oldest = now_ms / HOUR_MS - KEPT_HOURS;
                sqlx::query("DELETE FROM usage WHERE hour < ?").bind(oldest).execute(&mut *c).await?;
                Ok(())
            })
        })
        .await
    }

    /// What a project's components used from one time (milliseconds since 1970) until before another, hour by hour,
    /// oldest first. Hours that only partly lie in between count whole.
    pub async fn usage(&self, project: &ProjectName, from_ms: i64, until_ms: i64) -> Result<Vec<Usage>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM usage WHERE project = ? AND hour >= ? AND hour < ?
            ORDER BY hour, environment, component"
        );
        let rows = sqlx::query(sql)
            .bind(project.as_str())
            .bind(from_ms.div_euclid(HOUR_MS))
            .bind(until_ms.div_euclid(HOUR_MS) + i64::from(until_ms.rem_euclid(HOUR_MS) > 0))
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what was used"))?;
        rows.iter().map(from_row).collect()
    }

    /// What one replica of each of the environment's components took before, by the hours that are kept.
    pub async fn past_use(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<BTreeMap<ComponentName, PastUse>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM usage WHERE project = ? AND environment = ? ORDER BY memory_max_bytes"
        );
        let rows = sqlx::query(sql)
            .bind(project.as_str())
            .bind(environment.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what was used"))?;
        let mut most: BTreeMap<ComponentName, Vec<i64>> = BTreeMap::new();
        for row in &rows {
            let usage = from_row(row)?;
            most.entry(usage.component).or_default().push(usage.memory_max_bytes);
        }
        let past = |sorted: Vec<i64>| {
            // The nearest rank: of 20 hours the 19th, of one the only one.
            let rank = (sorted.len() * 95).div_ceil(100).max(1);
            let p95_bytes = sorted.get(rank - 1).copied().unwrap_or_default();
            PastUse { p95_bytes, most_bytes: sorted.last().copied().unwrap_or_default() }
        };
        Ok(most.into_iter().map(|(component, sorted)| (component, past(sorted))).collect())
    }
}

fn from_row(row: &SqliteRow) -> Result<Usage, StoreError> {
    Ok(Usage {
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        component: parsed(row, "component")?,
        hour: number(row, "hour")?,
        cpu_ms: number(row, "cpu_ms")?,
        memory_max_bytes: number(row, "memory_max_bytes")?,
        memory_byte_seconds: number(row, "memory_byte_seconds")?,
        seconds: number(row, "seconds")?,
        samples: number(row, "samples")?,
    })
}

#[cfg(test)]
mod tests;
