//! Deliveries: what came, what became of each, and why.

use super::error::query;
use super::row::{json, number, optional_parsed, optional_text, parsed, text, to_json};
use super::{Store, StoreError};
use crate::model::{CommitId, DeliveryId, Event, ForgeKind, ProjectName, RefName};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::sync::Arc;

/// What is read of a row of `deliveries`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "number, project, delivery_id, forge, event_name, kind, event, ref, commit_id, sender, found, \
         received_at, outcome, reason, page_key, attempts, next_at"
    };
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Accepted; its ref is still to be fetched and judged.
    Received,
    Deploys,
    Ignored,
    /// Its commit is older than what is live or waiting.
    Superseded,
    /// What it asks for waits, runs or is live already.
    Known,
    /// Its ref could not be fetched, or is not what the payload says.
    Failed,
    /// Signed, but not understood.
    Invalid,
    /// Not signed as it should be.
    Refused,
}

impl DeliveryOutcome {
    const ALL: [Self; 8] = [
        Self::Received,
        Self::Deploys,
        Self::Ignored,
        Self::Superseded,
        Self::Known,
        Self::Failed,
        Self::Invalid,
        Self::Refused,
    ];
    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Deploys => "deploys",
            Self::Ignored => "ignored",
            Self::Superseded => "superseded",
            Self::Known => "known",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
        }
    }
}

impl std::str::FromStr for DeliveryOutcome {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|o| o.word() == text).ok_or_else(|| format!("{text:?} is not an outcome"))
    }
}

/// A delivery that has just been verified.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub project: ProjectName,
    pub id: DeliveryId,
    pub forge: ForgeKind,
    pub event_name: String,
    /// The word for its kind: push, tag, delete, ping, ignored, invalid, refused.
    pub kind: String,
    pub event: Option<Event>,
    pub found: bool,
    pub outcome: DeliveryOutcome,
    pub reason: String,
    pub page_key: String,
}

/// A delivery as it is stored.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Counts up over the whole store.
    pub number: i64,
    pub project: ProjectName,
    pub id: DeliveryId,
    pub forge: ForgeKind,
    pub event_name: String,
    pub kind: String,
    pub event: Option<Event>,
    pub reference: Option<RefName>,
    pub commit: Option<CommitId>,
    pub sender: Option<String>,
    pub found: bool,
    pub received_ms: i64,
    pub outcome: DeliveryOutcome,
    pub reason: String,
    pub page_key: String,
    pub attempts: i64,
}

/// Whether a delivery is new to its project.
#[derive(Debug, Clone)]
pub enum Arrival {
    New(i64),
    /// The same id came before.
    Again(Box<Delivery>),
}

impl Store {
    /// Stores a delivery durably, or says that its id came before.
    pub async fn add_delivery(&self, new: impl Into<Arc<NewDelivery>>, now_ms: i64) -> Result<Arrival, StoreError> {
        let new = new.into();
        match self.write_arrival(new.clone(), now_ms).await? {
            Some(number) => Ok(Arrival::New(number)),
            None => {
                let sql = concat!("SELECT ", columns!(), " FROM deliveries WHERE project = ? AND delivery_id = ?");
                let row = sqlx::query(sql).bind(new.project.as_str()).bind(new.id.as_str());
                let row = row.fetch_one(&self.readers).await.map_err(query("read a delivery"))?;
                Ok(Arrival::Again(Box::new(from_row(&row)?)))
            }
        }
    }

    /// Replaces what is said of a delivery that came before: it is judged afresh.
    pub async fn judge_delivery(
        &self,
        number: i64,
        outcome: DeliveryOutcome,
        reason: impl Into<String>,
    ) -> Result<(), StoreError> {
        let reason = reason.into();
        self.write("judge a delivery", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET outcome = ?1, reason = ?2, next_at = 0,
                    attempts = CASE WHEN ?1 = 'received' THEN 0 ELSE attempts END WHERE number = ?3";
                sqlx::query(sql).bind(outcome.word()).bind(reason).bind(number).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Takes what came again under a known id in the place of what came before: it is judged afresh.
    pub async fn renew_delivery(&self, number: i64, new: Arc<NewDelivery>) -> Result<(), StoreError> {
        let event = new.event.as_ref().map(to_json).transpose()?;
        self.write("renew a delivery", move |c| {
            Box::pin(async move {
                let change = new.event.as_ref().and_then(|event| event.kind.change());
                let sql =
                    "UPDATE deliveries SET event_name = ?, kind = ?, event = ?, ref = ?, commit_id = ?, outcome = ?,
                    reason = ?, attempts = 0, next_at = 0 WHERE number = ?";
                sqlx::query(sql)
                    .bind(&new.event_name)
                    .bind(&new.kind)
                    .bind(event)
                    .bind(change.map(|change| change.reference.as_str()))
                    .bind(change.map(|change| change.commit.as_str()))
                    .bind(new.outcome.word())
                    .bind(&new.reason)
                    .bind(number)
                    .execute(c)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes which commit a delivery names, where only the repository could tell.
    pub async fn note_delivery_commit(&self, number: i64, commit: &CommitId) -> Result<(), StoreError> {
        let commit = commit.to_string();
        self.write("note a delivery's commit", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET commit_id = ? WHERE number = ?";
                sqlx::query(sql).bind(commit).bind(number).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Puts off a delivery whose ref could not be fetched.
    pub async fn put_off_delivery(&self, number: i64, reason: &str, next_ms: i64) -> Result<(), StoreError> {
        let reason = reason.to_string();
        self.write("put off a delivery", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET attempts = attempts + 1, next_at = ?, reason = ? WHERE number = ?";
                sqlx::query(sql).bind(next_ms).bind(reason).bind(number).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Deliveries whose refs are still to be fetched and judged, the oldest first, and when the next one is due.
    pub async fn deliveries_to_judge(&self, now_ms: i64) -> Result<(Vec<Delivery>, Option<i64>), StoreError> {
        let sql =
            concat!("SELECT ", columns!(), " FROM deliveries WHERE outcome = 'received' ORDER BY number LIMIT 500");
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read deliveries"))?;
        let later = rows.iter().map(|row| row.get::<i64, _>("next_at")).filter(|next| *next > now_ms).min();
        let due = rows.iter().filter(|row| row.get::<i64, _>("next_at") <= now_ms).map(from_row);
        Ok((due.collect::<Result<_, _>>()?, later))
    }

    /// The newest first.
    pub async fn deliveries(&self, project: Option<&ProjectName>, most: u32) -> Result<Vec<Delivery>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(concat!("SELECT ", columns!(), " FROM deliveries"));
        if let Some(project) = project {
            sql.push(" WHERE project = ").push_bind(project.to_string());
        }
        sql.push(" ORDER BY number DESC LIMIT ").push_bind(most);
        let rows = sql.build().fetch_all(&self.readers).await.map_err(query("read deliveries"))?;
        rows.iter().map(from_row).collect()
    }

    /// The delivery with this number.
    pub async fn delivery(&self, number: i64) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM deliveries WHERE number = ?"))
            .bind(number)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a delivery"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// By the forge's id, the newest first where several projects have it.
    pub async fn deliveries_by_id(&self, id: &str) -> Result<Vec<Delivery>, StoreError> {
        let rows =
            sqlx::query(concat!("SELECT ", columns!(), " FROM deliveries WHERE delivery_id = ? ORDER BY number DESC"))
                .bind(id)
                .fetch_all(&self.readers)
                .await
                .map_err(query("read a delivery"))?;
        rows.iter().map(from_row).collect()
    }

    /// The delivery whose page has this key.
    pub async fn delivery_by_key(&self, key: &str) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM deliveries WHERE page_key = ?"))
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a delivery"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// Forgets what was ignored before this time (milliseconds since 1970) and what no deployment came of.
    pub async fn forget_ignored(&self, before_ms: i64) -> Result<(), StoreError> {
        self.write("forget old deliveries", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM deliveries WHERE outcome = 'ignored' AND received_at < ? AND number NOT IN
                    (SELECT delivery FROM deployments WHERE delivery IS NOT NULL)";
                sqlx::query(sql).bind(before_ms).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Keeps at most `most` refused deliveries: they come from anybody.
    pub async fn forget_old_refusals(&self, most: u32) -> Result<(), StoreError> {
        self.write("forget old refusals", move |c| {
            Box::pin(async move {
                let sql = "DELETE FROM deliveries WHERE outcome = 'refused' AND number NOT IN
                    (SELECT number FROM deliveries WHERE outcome = 'refused' ORDER BY number DESC LIMIT ?)";
                sqlx::query(sql).bind(most).execute(c).await?;
                Ok(())
            })
        })
        .await
    }
}

fn from_row(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let has_event = optional_text(row, "event")?.is_some();
    Ok(Delivery {
        number: number(row, "number")?,
        project: parsed(row, "project")?,
        id: parsed(row, "delivery_id")?,
        forge: parsed(row, "forge")?,
        event_name: text(row, "event_name")?,
        kind: text(row, "kind")?,
        event: if has_event { Some(json(row, "event")?) } else { None },
        reference: optional_parsed(row, "ref")?,
        commit: optional_parsed(row, "commit_id")?,
        sender: optional_text(row, "sender")?,
        found: number(row, "found")? != 0,
        received_ms: number(row, "received_at")?,
        outcome: parsed(row, "outcome")?,
        reason: text(row, "reason")?,
        page_key: text(row, "page_key")?,
        attempts: number(row, "attempts")?,
    })
}
