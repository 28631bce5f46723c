//! Who this store is, and which things on the engine are its own without its seal.

use super::error::query;
use super::row::{json, number, text, to_json};
use super::{Store, StoreError};
use crate::model::{Kind, Recorded, SealKey};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// Who a store is.
#[derive(Debug, Clone)]
pub struct Identity {
    pub key: SealKey,
    /// What an earlier version made on the engine has been recorded.
    pub looked_back: bool,
}

/// How something without a seal came to be this store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// Made by a version that had no seals.
    Earlier,
    /// Somebody asked for it.
    Adopted,
}

impl Came {
    fn word(self) -> &'static str {
        match self {
            Came::Earlier => "earlier",
            Came::Adopted => "adopted",
        }
    }
}

impl Store {
    /// Made at the first call. A store in which nothing was ever released has nothing to look back at.
    pub async fn identity(&self) -> Result<Identity, StoreError> {
        if let Some(known) = self.known_identity().await? {
            return Ok(known);
        }
        let mut random = [0u8; 40];
        getrandom::fill(&mut random)
            .map_err(|error| StoreError::Content(format!("the system gives no random numbers: {error}")))?;
        let (id, key) = (hex::encode(&random[..8]), random[8..].to_vec());
        self.write("note who the store is", move |c| {
            Box::pin(async move {
                let sql = "INSERT OR IGNORE INTO identity (one, store_id, key, looked_back)
                    VALUES (1, ?, ?, NOT EXISTS (SELECT 1 FROM releases))";
                sqlx::query(sql).bind(id).bind(key).execute(c).await?;
                Ok(())
            })
        })
        .await?;
        let missing = || StoreError::Content("the store's identity is missing".into());
        self.known_identity().await?.ok_or_else(missing)
    }

    async fn known_identity(&self) -> Result<Option<Identity>, StoreError> {
        let row = sqlx::query("SELECT store_id, key, looked_back FROM identity")
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read who the store is"))?;
        let Some(row) = row else { return Ok(None) };
        let key: Vec<u8> = row.try_get("key").map_err(|error| StoreError::Content(error.to_string()))?;
        let key: [u8; 32] =
            key.try_into().map_err(|_| StoreError::Content("the store's key has not 32 bytes".into()))?;
        let looked_back = number(&row, "looked_back")? != 0;
        Ok(Some(Identity { key: SealKey::new(text(&row, "store_id")?, key), looked_back }))
    }

    /// Everything on the engine that this store recorded as made or adopted by it.
    pub async fn owned(&self) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query("SELECT kind, id, name, labels FROM owned")
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what the store owns on the engine"))?;
        rows.iter().map(owned_from_row).collect()
    }

    /// Records things as this store's own. With [`Came::Earlier`] that was the look back, which is done then.
    pub async fn own(&self, things: Vec<Recorded>, came: Came, at_ms: i64) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for thing in things {
            rows.push((thing.kind.word(), to_json(&thing.labels)?, thing.id, thing.name));
        }
        self.write("note what the store owns on the engine", move |c| {
            Box::pin(async move {
                for (kind, labels, id, name) in rows {
                    let sql =
                        "INSERT OR REPLACE INTO owned (kind, id, name, labels, how, at) VALUES (?, ?, ?, ?, ?, ?)";
                    sqlx::query(sql)
                        .bind(kind)
                        .bind(id)
                        .bind(name)
                        .bind(labels)
                        .bind(came.word())
                        .bind(at_ms)
                        .execute(&mut *c)
                        .await?;
                }
                if came == Came::Earlier {
                    sqlx::query("UPDATE identity SET looked_back = 1").execute(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn owned_from_row(row: &SqliteRow) -> Result<Recorded, StoreError> {
    let kind = text(row, "kind")?;
    let kind = Kind::of_word(&kind).ok_or_else(|| StoreError::Content(format!("kind: {kind:?}")))?;
    Ok(Recorded { kind, id: text(row, "id")?, name: text(row, "name")?, labels: json(row, "labels")? })
}
