//! One writer: whatever waits is written in one transaction, so that one fsync serves many callers.

use super::NewDelivery;
use super::arrivals::{self, Arriving, Stored};
use super::error::StoreError;
use crate::model::last_words;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The most that one transaction takes, so that no caller waits for ever for its commit.
const MOST_IN_ONE_COMMIT: usize = 500;

type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Finish> + Send>;
/// Tells the caller, once the transaction is durable (`Ok`) or not (`Err`).
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Arrived(Arriving),
    Work(Work),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Begins to write with this connection, which nobody else writes with.
    pub fn start(connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(10_000);
        tokio::spawn(write_all(connection, waiting));
        Self { queue }
    }

    /// Writes what waits, and ends.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

impl Writer {
    /// Runs `work` in the next transaction and returns once that is durable. Work that fails leaves no trace and does
    /// not disturb what is written with it.
    pub async fn write<T, F>(&self, attempted: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let (tell, hear) = oneshot::channel::<Result<T, StoreError>>();
        let boxed: Work = Box::new(move |connection| {
            Box::pin(async move {
                let result = in_savepoint(connection, work).await;
                let finish: Finish = Box::new(move |committed| {
                    let answer = match (result, committed) {
                        (Ok(value), Ok(())) => Ok(value),
                        (Err(source), _) => Err(StoreError::Query { attempted, source }),
                        (Ok(_), Err(error)) => Err(error),
                    };
                    // The caller may have gone away; what it wrote stays written.
                    let _ = tell.send(answer);
                });
                finish
            })
        });
        self.queue.send(Message::Work(boxed)).await.map_err(|_| StoreError::Closed)?;
        hear.await.map_err(|_| StoreError::Closed)?
    }

    /// Stores a delivery in the next transaction, together with all others that arrive, and returns once that is
    /// durable.
    pub async fn write_arrival(&self, new: Arc<NewDelivery>, received_ms: i64) -> Stored {
        let (arriving, hear) = Arriving::new(new, received_ms)?;
        self.queue.send(Message::Arrived(arriving)).await.map_err(|_| StoreError::Closed)?;
        hear.await.map_err(|_| StoreError::Closed)?
    }
}

async fn in_savepoint<T, F>(connection: &mut SqliteConnection, work: F) -> Result<T, sqlx::Error>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    sqlx::query("SAVEPOINT work").execute(&mut *connection).await?;
    let caught = AssertUnwindSafe(async { work(&mut *connection).await }).catch_unwind().await;
    // A panic ends this piece of work: what it wrote is taken back as after any other failure.
    let result = caught.unwrap_or_else(|panic| Err(broke(panic.as_ref())));
    let end = if result.is_ok() { "RELEASE work" } else { "ROLLBACK TO work; RELEASE work" };
    sqlx::raw_sql(end).execute(&mut *connection).await?;
    result
}

fn broke(panic: &(dyn Any + Send)) -> sqlx::Error {
    sqlx::Error::Protocol(format!("Launchway itself failed at it ({})", last_words(panic)))
}

/// What goes into one transaction.
#[derive(Default)]
struct Batch {
    arrived: Vec<Arriving>,
    work: Vec<Work>,
}

impl Batch {
    fn len(&self) -> usize {
        self.arrived.len() + self.work.len()
    }
}

async fn write_all(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Message>) {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = waiting.recv().await else { break };
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Arrived(arriving) => batch.arrived.push(arriving),
                Message::Work(work) => batch.work.push(work),
                Message::Close(done) => {
                    closing = Some(done);
                    break;
                }
            }
            next = if batch.len() < MOST_IN_ONE_COMMIT { waiting.try_recv().ok() } else { None };
        }
        if batch.len() > 0 {
            write_batch(&mut connection, batch).await;
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(error = %error, "The store's writing connection did not close cleanly");
    }
    if let Some(done) = closing {
        let _ = done.send(());
    }
}

async fn write_batch(connection: &mut SqliteConnection, Batch { arrived, work }: Batch) {
    if let Err(error) = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await {
        tracing::error!(error = %error, "The store cannot be written to");
        // Dropping the work tells each caller that the store is closed to it.
        return;
    }
    let stored = AssertUnwindSafe(arrivals::store_all(connection, &arrived)).catch_unwind().await;
    let stored = stored.unwrap_or_else(|panic| {
        let failed = || Err(StoreError::Query { attempted: "store a delivery", source: broke(panic.as_ref()) });
        arrived.iter().map(|_| failed()).collect()
    });
    let mut finishes = Vec::with_capacity(work.len());
    for work in work {
        finishes.push(work(&mut *connection).await);
    }
    let committed = sqlx::raw_sql("COMMIT").execute(&mut *connection).await;
    if let Err(error) = &committed {
        tracing::error!(error = %error, "The store could not commit");
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
    }
    let outcome = || match &committed {
        Ok(_) => Ok(()),
        Err(error) => Err(StoreError::Content(format!("commit failed: {error}"))),
    };
    for (arriving, stored) in arrived.into_iter().zip(stored) {
        arriving.tell(stored.and_then(|number| outcome().map(|()| number)));
    }
    for finish in finishes {
        finish(outcome());
    }
}

#[cfg(test)]
mod tests {
    use crate::model::ProjectName;
    use crate::store::Store;

    #[tokio::test]
    async fn a_panic_in_one_piece_of_work_loses_nothing_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let (shop, broken): (ProjectName, ProjectName) = ("shop".parse().unwrap(), "broken".parse().unwrap());
        let breaks = store.write("break", |connection| {
            Box::pin(async move {
                sqlx::query("INSERT INTO projects (name, compared_at) VALUES ('broken', 1)")
                    .execute(connection)
                    .await?;
                "no".parse::<u8>().expect("on purpose");
                Ok(())
            })
        });
        // In one transaction, as both wait when the writer looks.
        let (broke, noted) = tokio::join!(breaks, store.note_compared(&shop, 1));
        assert!(broke.unwrap_err().to_string().starts_with("the store could not break: "), "it is told as a failure");
        noted.unwrap();
        assert!(store.was_compared(&shop).await.unwrap());
        assert!(!store.was_compared(&broken).await.unwrap(), "what it wrote is taken back");
        store.note_repository_number(&shop, 7, "octo/shop").await.unwrap();
        store.close().await;
    }
}
