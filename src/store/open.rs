//! Opening the store: pragmas, migrations, backup.

use super::NewDelivery;
use super::error::{StoreError, query};
use super::writer::Writer;
use crate::model::{NumberedRepository, ProjectName};
use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// The store of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: SqlitePool,
    pub(super) writer: Writer,
    /// Those that are known, as they are in the store: each delivery asks for one.
    pub(super) numbered: Arc<RwLock<HashMap<ProjectName, NumberedRepository>>>,
    path: PathBuf,
}

impl Store {
    /// Opens `<data>/launchway.db`, creating it where it is missing. Before a migration changes an older store, it is
    /// copied beside itself.
    pub async fn open(data: &Path) -> Result<Self, StoreError> {
        let path = data.join("launchway.db");
        let failed = |why: String| StoreError::Open { path: path.clone(), why };
        let existed = path.exists();
        // FULL: an accepted delivery must outlive a power failure, not only the process.
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(200);
        let mut connection = options.clone().connect().await.map_err(|e| failed(e.to_string()))?;
        if existed {
            copy_before_migrating(&mut connection, &path).await.map_err(|e| failed(e.to_string()))?;
        }
        MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(_) | sqlx::migrate::MigrateError::VersionTooNew(..) => {
                StoreError::Newer(path.clone())
            }
            other => failed(other.to_string()),
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            // A file does not hang up.
            .test_before_acquire(false)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self { readers, writer: Writer::start(connection), numbered: Arc::default(), path })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A copy of the whole store as it is now, written to `target`, which must not exist.
    pub async fn backup(&self, target: &Path) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| match error.kind() {
            _ if target.is_dir() => StoreError::BackupFolder(target.to_path_buf()),
            std::io::ErrorKind::AlreadyExists => StoreError::BackupThere(target.to_path_buf()),
            _ => StoreError::BackupFile { path: target.to_path_buf(), why: error.to_string() },
        };
        // The store holds environments' secrets. SQLite takes an empty file, and leaves its mode alone.
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(target).map_err(failed)?;
        let text = target.to_string_lossy().into_owned();
        let mut connection = self.readers.acquire().await.map_err(query("back up"))?;
        sqlx::query("VACUUM INTO ?").bind(text).execute(&mut *connection).await.map_err(query("back up"))?;
        Ok(())
    }

    /// `PRAGMA name` of the writing connection, as SQLite says it; for tests and diagnosis.
    pub async fn pragma(&self, name: &'static str) -> Result<String, StoreError> {
        let sql: &'static str = match name {
            "journal_mode" => "PRAGMA journal_mode",
            "synchronous" => "PRAGMA synchronous",
            "foreign_keys" => "PRAGMA foreign_keys",
            _ => return Err(StoreError::Content(format!("no pragma {name}"))),
        };
        self.write("read a pragma", move |connection| {
            // Some answer with a number, some with a word: SQLite makes text of both.
            Box::pin(async move { sqlx::query(sql).fetch_one(connection).await?.try_get_unchecked(0) })
        })
        .await
    }

    /// Writes what waits and closes.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

impl Store {
    /// Runs `work` in the next transaction and returns once that is durable. Work that fails leaves no trace and does
    /// not disturb what is written with it.
    pub(super) async fn write<T, F>(&self, attempted: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        self.writer.write(attempted, work).await
    }

    /// Stores a delivery in the next transaction, together with all others that arrive, and returns once that is
    /// durable: its number, or `None` where its id came before.
    pub(super) async fn write_arrival(
        &self,
        new: Arc<NewDelivery>,
        received_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        self.writer.write_arrival(new, received_ms).await
    }
}

async fn copy_before_migrating(connection: &mut SqliteConnection, path: &Path) -> Result<(), sqlx::Error> {
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .unwrap_or(None);
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let Some(applied) = applied.filter(|applied| Some(*applied) < newest) else { return Ok(()) };
    let copy = path.with_file_name(format!("launchway-before-{}.db", applied + 1));
    if !copy.exists() {
        sqlx::query("VACUUM INTO ?").bind(copy.to_string_lossy().into_owned()).execute(&mut *connection).await?;
    }
    connection.ping().await
}
