//! Deliveries as they arrive: what waits is stored in the order in which it came, many by one statement.

use super::error::query;
use super::row::to_json;
use super::{NewDelivery, StoreError};
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row, SqliteConnection};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The most that one statement takes.
const MOST_IN_ONE_STATEMENT: usize = 256;

const ATTEMPTED: &str = "store a delivery";

/// The number of a delivery that is new to its project; `None`: its id came before.
pub(super) type Stored = Result<Option<i64>, StoreError>;

/// A delivery on its way into the store.
pub(super) struct Arriving {
    new: Arc<NewDelivery>,
    /// The event as JSON.
    event: Option<Arc<str>>,
    received_ms: i64,
    tell: oneshot::Sender<Stored>,
}

impl Arriving {
    /// The delivery, and where it is told what became of it once that is durable.
    pub fn new(new: Arc<NewDelivery>, received_ms: i64) -> Result<(Self, oneshot::Receiver<Stored>), StoreError> {
        let event = new.event.as_ref().map(to_json).transpose()?.map(Arc::from);
        let (tell, hear) = oneshot::channel();
        Ok((Self { new, event, received_ms, tell }, hear))
    }

    /// Tells whoever handed it in what became of it.
    pub fn tell(self, stored: Stored) {
        // The sender may have gone away; what is stored stays stored.
        let _ = self.tell.send(stored);
    }
}

/// Stores what arrived, within the transaction that is open. What cannot be stored does not disturb the rest.
pub(super) async fn store_all(connection: &mut SqliteConnection, arrived: &[Arriving]) -> Vec<Stored> {
    let mut stored = Vec::with_capacity(arrived.len());
    let mut rest = arrived;
    while !rest.is_empty() {
        // Powers of two: a handful of statements to prepare, and any number needs few of them.
        let count = (1 << rest.len().ilog2()).min(MOST_IN_ONE_STATEMENT);
        let (some, after) = rest.split_at(count);
        match insert(connection, some).await {
            Ok(numbers) => stored.extend(numbers.into_iter().map(Ok)),
            // A statement that fails leaves no trace.
            Err(source) if count == 1 => stored.push(Err(query(ATTEMPTED)(source))),
            Err(_) => {
                for one in some {
                    let number = insert(connection, std::slice::from_ref(one)).await;
                    stored.push(number.map(|mut numbers| numbers.pop().flatten()).map_err(query(ATTEMPTED)));
                }
            }
        }
        rest = after;
    }
    stored
}

/// The number of each that is new. Of two with the same id in one statement, the first is new.
async fn insert(connection: &mut SqliteConnection, arrived: &[Arriving]) -> Result<Vec<Option<i64>>, sqlx::Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "INSERT INTO deliveries (project, delivery_id, forge, event_name, kind, event, ref, commit_id, sender, found,
        received_at, outcome, reason, page_key) ",
    );
    sql.push_values(arrived, |mut row, Arriving { new, event, received_ms, .. }| {
        let change = new.event.as_ref().and_then(|event| event.kind.change());
        let sender = new.event.as_ref().and_then(|event| event.sender.as_deref());
        row.push_bind(shared(new.project.as_str()))
            .push_bind(shared(new.id.as_str()))
            .push_bind(shared(new.forge.word()))
            .push_bind(shared(&new.event_name))
            .push_bind(shared(&new.kind))
            .push_bind(event.clone())
            .push_bind(change.map(|change| shared(change.reference.as_str())))
            .push_bind(change.map(|change| shared(change.commit.as_str())))
            .push_bind(sender.map(shared))
            .push_bind(new.found)
            .push_bind(received_ms)
            .push_bind(shared(new.outcome.word()))
            .push_bind(shared(&new.reason))
            .push_bind(shared(&new.page_key));
    });
    sql.push(" ON CONFLICT (project, delivery_id) DO NOTHING RETURNING page_key, number");
    let rows = sql.build().fetch_all(connection).await?;
    let mut numbers = rows
        .iter()
        .map(|row| Ok((row.try_get::<&str, _>(0)?, row.try_get(1)?)))
        .collect::<Result<HashMap<&str, i64>, sqlx::Error>>()?;
    Ok(arrived.iter().map(|one| numbers.remove(one.new.page_key.as_str())).collect())
}

/// As sqlx hands it to its thread: from a `&str` it would make a copy and a box around it.
fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
