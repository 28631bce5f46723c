//! Statuses on their way to the forge. One unsent pending per commit and context; finals are never dropped.

use super::error::query;
use super::row::{number, optional_text, parsed, text};
use super::{Store, StoreError};
use crate::model::{CommitId, CommitStatus, DeploymentId, OutboxEntry as Entry, ProjectName};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// What is read of a row of `outbox`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "id, project, commit_id, context, state, description, target_url, ref, attempts, next_at, confirm_at, \
         confirmed"
    };
}

/// A commit status that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    pub project: ProjectName,
    pub deployment: Option<DeploymentId>,
    pub status: CommitStatus,
}

/// How a status left the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Sent,
    /// The forge will never take it; `last_error` says why.
    Refused,
}

/// Puts a status into the outbox; part of whatever transaction ends or advances a deployment.
pub(super) async fn put_status(c: &mut SqliteConnection, new: &NewStatus, now_ms: i64) -> Result<(), sqlx::Error> {
    let status = &new.status;
    // A deployment keeps the context under which it began, or its pending would stay for ever under the old one: the
    // context changes when the settings get a second project of the repository.
    let begun_as =
        "SELECT context FROM outbox WHERE project = ? AND commit_id = ? AND deployment = ? ORDER BY id LIMIT 1";
    let begun_as: Option<String> = sqlx::query_scalar(begun_as)
        .bind(new.project.as_str())
        .bind(status.commit.as_str())
        .bind(new.deployment.map(|id| id.0))
        .fetch_optional(&mut *c)
        .await?;
    let sql = "INSERT INTO outbox (project, deployment, commit_id, context, state, description, target_url, ref,
        created_at, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(new.project.as_str())
        .bind(new.deployment.map(|id| id.0))
        .bind(status.commit.as_str())
        .bind(begun_as.as_ref().unwrap_or(&status.context))
        .bind(status.state.word())
        .bind(&status.description)
        .bind(&status.target_url)
        .bind(&status.reference)
        .bind(now_ms)
        .bind(now_ms)
        .execute(&mut *c)
        .await?;
    Ok(())
}

/// A final that is to be made sure of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToConfirm {
    pub entry: Entry,
    /// How much of that is done.
    pub done: u32,
    pub not_before: jiff::Timestamp,
}

/// Entries of the same commit and context as the one whose id is bound first.
const SAME_SUBJECT: &str =
    "(project, commit_id, context) = (SELECT project, commit_id, context FROM outbox WHERE id = ?1)";

impl Store {
    /// Puts a status into the outbox, from where the sending loop takes it.
    pub async fn queue_status(&self, new: NewStatus, now_ms: i64) -> Result<(), StoreError> {
        self.write("queue a status", move |c| Box::pin(async move { put_status(c, &new, now_ms).await })).await
    }

    /// Everything that has not left the outbox, the oldest first.
    pub async fn outbox(&self) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM outbox WHERE settled IS NULL ORDER BY id"))
            .fetch_all(&self.readers)
            .await
            .map_err(query("read the outbox"))?;
        rows.iter().map(from_row).collect()
    }

    /// Takes pendings out that something newer has made stale.
    pub async fn drop_statuses(&self, ids: Vec<i64>, now_ms: i64) -> Result<(), StoreError> {
        self.write("drop stale statuses", move |c| {
            Box::pin(async move {
                for id in ids {
                    let sql = "UPDATE outbox SET settled = 'dropped', settled_at = ? WHERE id = ? AND settled IS NULL";
                    sqlx::query(sql).bind(now_ms).bind(id).execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes that a request with it leaves now: a process that ends before the answer does not know what becomes of it.
    pub async fn note_asked(&self, id: i64, now_ms: i64) -> Result<(), StoreError> {
        self.write("note that a status is being sent", move |c| {
            Box::pin(async move {
                sqlx::query("UPDATE outbox SET asked_at = ? WHERE id = ?").bind(now_ms).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that a request with it got no answer, and may still be served.
    pub async fn note_unanswered(&self, id: i64, now_ms: i64) -> Result<(), StoreError> {
        self.write("note that a request got no answer", move |c| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET unanswered_at = ?, asked_at = NULL WHERE id = ?";
                sqlx::query(sql).bind(now_ms).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Requests that an earlier process was waiting for got no answer.
    pub async fn note_unanswered_before(&self) -> Result<(), StoreError> {
        self.write("note which requests got no answer", |c| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET unanswered_at = coalesce(unanswered_at, asked_at), asked_at = NULL
                    WHERE asked_at IS NOT NULL";
                sqlx::query(sql).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Finals that are to be made sure of, each as long as nothing was said of its commit and context after it.
    pub async fn statuses_to_confirm(&self) -> Result<Vec<ToConfirm>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM outbox o WHERE confirm_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outbox n
            WHERE n.project = o.project AND n.commit_id = o.commit_id AND n.context = o.context AND n.id > o.id)
            ORDER BY id"
        );
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read statuses to make sure of"))?;
        rows.iter()
            .map(|row| {
                let done = u32::try_from(number(row, "confirmed")?).unwrap_or(u32::MAX);
                Ok(ToConfirm { entry: from_row(row)?, done, not_before: time(number(row, "confirm_at")?)? })
            })
            .collect()
    }

    /// Notes how far making sure of it is, when that goes on, and whether it was sent once more.
    pub async fn confirm_later(&self, id: i64, done: u32, next_ms: i64, was_sent: bool) -> Result<(), StoreError> {
        self.write("note how far a status is made sure of", move |c| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET confirmed = ?, confirm_at = ?, attempts = attempts + ? WHERE id = ?";
                sqlx::query(sql).bind(done).bind(next_ms).bind(was_sent).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// It stands, or nothing more can be done for it: no request of its commit and context counts as open any more.
    pub async fn confirmed(&self, id: i64) -> Result<(), StoreError> {
        self.write("note that a status stands", move |c| {
            Box::pin(async move {
                let sql = format!("UPDATE outbox SET confirm_at = NULL, unanswered_at = NULL WHERE {SAME_SUBJECT}");
                sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// A final that is sent while a request of another status of its commit and context is open is to be made sure of.
    pub async fn settle_status(
        &self,
        id: i64,
        settled: Settled,
        why: Option<String>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let word = match settled {
            Settled::Sent => "sent",
            Settled::Refused => "refused",
        };
        self.write("settle a status", move |c| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET settled = ?, settled_at = ?, last_error = coalesce(?, last_error),
                    attempts = attempts + 1, asked_at = NULL WHERE id = ?";
                sqlx::query(sql).bind(word).bind(now_ms).bind(why).bind(id).execute(&mut *c).await?;
                // What came before it is not what is to stand.
                let sql = format!("UPDATE outbox SET confirm_at = NULL WHERE {SAME_SUBJECT} AND id <> ?1");
                sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(&mut *c).await?;
                if settled == Settled::Sent {
                    let sql = format!(
                        "UPDATE outbox SET confirm_at = ?2 WHERE id = ?1 AND state <> 'pending' AND EXISTS
                        (SELECT 1 FROM outbox WHERE unanswered_at IS NOT NULL AND id <> ?1 AND {SAME_SUBJECT})"
                    );
                    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(now_ms).execute(c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes why a status could not be sent, and when it is tried again (milliseconds since 1970).
    pub async fn retry_status(&self, id: i64, why: String, next_ms: i64) -> Result<(), StoreError> {
        self.write("put off a status", move |c| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET attempts = attempts + 1, next_at = ?, last_error = ?, asked_at = NULL
                    WHERE id = ?";
                sqlx::query(sql).bind(next_ms).bind(why).bind(id).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Everything that was put off is due now: statuses, and deliveries whose refs could not be fetched.
    pub async fn put_off_no_longer(&self) -> Result<(), StoreError> {
        self.write("try again what was put off", |c| {
            Box::pin(async move {
                sqlx::query("UPDATE outbox SET next_at = 0 WHERE settled IS NULL").execute(&mut *c).await?;
                sqlx::query("UPDATE deliveries SET next_at = 0 WHERE outcome = 'received'").execute(&mut *c).await?;
                Ok(())
            })
        })
        .await
    }

    /// How many statuses have not reached their forge, and the newest reason why.
    pub async fn unsent_statuses(&self) -> Result<(i64, Option<String>), StoreError> {
        let sql =
            "SELECT count(*) AS waiting, (SELECT last_error FROM outbox WHERE settled IS NULL AND last_error IS NOT
            NULL ORDER BY id DESC LIMIT 1) AS why FROM outbox WHERE settled IS NULL";
        let row = sqlx::query(sql).fetch_one(&self.readers).await.map_err(query("read the outbox"))?;
        Ok((number(&row, "waiting")?, optional_text(&row, "why")?))
    }
}

fn from_row(row: &SqliteRow) -> Result<Entry, StoreError> {
    let commit: CommitId = parsed(row, "commit_id")?;
    let due = number(row, "next_at")?;
    Ok(Entry {
        id: number(row, "id")?,
        project: parsed(row, "project")?,
        status: CommitStatus {
            commit,
            context: text(row, "context")?,
            state: parsed(row, "state")?,
            description: text(row, "description")?,
            target_url: optional_text(row, "target_url")?,
            reference: optional_text(row, "ref")?,
        },
        attempts: number(row, "attempts")? as u32,
        not_before: time(due)?,
        sending: false,
    })
}

fn time(milliseconds: i64) -> Result<jiff::Timestamp, StoreError> {
    jiff::Timestamp::from_millisecond(milliseconds).map_err(|error| StoreError::Content(error.to_string()))
}
