//! What people asked for: who, what, when and why.

use super::error::query;
use super::row::{number, optional_number, optional_text, parsed, text};
use super::{Store, StoreError};
use crate::model::{DeploymentId, EnvironmentName, ProjectName};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Deploy,
    /// Without waiting for windows, freezes or a yes.
    DeployNow,
    Approve,
    Rollback,
    GiveBack,
    Cancel,
    Pause,
    Resume,
    Promote,
    Adopt,
    Remove,
    /// A component starts on something else than what it has written to.
    FreshVolume,
}

impl Action {
    const ALL: [Self; 12] = [
        Self::Deploy,
        Self::DeployNow,
        Self::Approve,
        Self::Rollback,
        Self::GiveBack,
        Self::Cancel,
        Self::Pause,
        Self::Resume,
        Self::Promote,
        Self::Adopt,
        Self::Remove,
        Self::FreshVolume,
    ];

    /// The word in the store, in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::DeployNow => "deploy-now",
            Self::Approve => "approve",
            Self::Rollback => "rollback",
            Self::GiveBack => "give-back",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Adopt => "adopt",
            Self::Remove => "remove",
            Self::FreshVolume => "fresh-volume",
        }
    }
}

impl std::str::FromStr for Action {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|a| a.word() == text).ok_or_else(|| format!("{text:?} is not an action"))
    }
}

/// One thing that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at_ms: i64,
    pub by: String,
    pub action: Action,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub deployment: Option<DeploymentId>,
    pub reason: Option<String>,
}

impl Store {
    /// Adds a row to the audit.
    pub async fn note_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write("note what was asked for", move |c| Box::pin(async move { put_audit(c, &entry).await })).await
    }

    /// The newest first.
    pub async fn audit(
        &self,
        project: Option<&ProjectName>,
        environment: Option<&EnvironmentName>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT at, by, action, project, environment, deployment, reason FROM audit WHERE (?1 IS NULL OR
            project = ?1) AND (?2 IS NULL OR environment = ?2)
            ORDER BY id DESC LIMIT ?3";
        let rows = sqlx::query(sql)
            .bind(project.map(ProjectName::as_str))
            .bind(environment.map(EnvironmentName::as_str))
            .bind(most)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what was asked for"))?;
        rows.iter().map(from_row).collect()
    }
}

pub(super) async fn put_audit(c: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    let sql =
        "INSERT INTO audit (at, by, action, project, environment, deployment, reason) VALUES (?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(entry.at_ms)
        .bind(&entry.by)
        .bind(entry.action.word())
        .bind(entry.project.as_str())
        .bind(entry.environment.as_str())
        .bind(entry.deployment.map(|id| id.0))
        .bind(&entry.reason)
        .execute(c)
        .await?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at_ms: number(row, "at")?,
        by: text(row, "by")?,
        action: parsed(row, "action")?,
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        deployment: optional_number(row, "deployment")?.map(DeploymentId),
        reason: optional_text(row, "reason")?,
    })
}
