//! What a store promises: nothing accepted is lost when power fails, and an upgrade can be taken back.

use launchway::store::{Store, StoreError};
use sqlx::{Connection, SqliteConnection};
use std::path::Path;

async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

async fn names_of_tables(file: &Path) -> Vec<String> {
    let mut connection = connect(file).await;
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let names = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    names
}

/// The store as a Launchway left it that knew only the first migrations.
async fn older_store(folder: &Path, migrations: usize) {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
    let mut files: Vec<_> = std::fs::read_dir(ours).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let first = tempfile::tempdir().unwrap();
    for file in &files[..migrations] {
        std::fs::copy(file, first.path().join(file.file_name().unwrap())).unwrap();
    }
    let migrator = sqlx::migrate::Migrator::new(first.path().to_path_buf()).await.unwrap();
    let mut connection = connect(&folder.join("launchway.db")).await;
    migrator.run_direct(None, &mut connection, false).await.unwrap();
    sqlx::query("INSERT INTO projects (name) VALUES ('shop')").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_was_accepted_outlives_a_power_failure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    // 2 is FULL: NORMAL loses what was committed last.
    for (name, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
        assert_eq!(store.pragma(name).await.unwrap(), value, "{name}");
    }
    assert!(store.pragma("cache_size").await.is_err());
    store.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_launchway_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).await.unwrap().close().await;
    let file = folder.path().join("launchway.db");
    let mut connection = connect(&file).await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'of tomorrow', true, x'00', 0)";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = Store::open(folder.path()).await.err().unwrap();
    assert!(matches!(error, StoreError::Newer(_)));
    let said = error.to_string().replace(&file.display().to_string(), "launchway.db");
    insta::assert_snapshot!(said, @"the store launchway.db was written by a newer Launchway. Start that version, or restore the copy that was made before its first start.");
}

#[tokio::test]
async fn an_older_store_is_copied_before_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    older_store(folder.path(), 2).await;
    let before = names_of_tables(&folder.path().join("launchway.db")).await;
    Store::open(folder.path()).await.unwrap().close().await;
    let copy = folder.path().join("launchway-before-3.db");
    assert_eq!(names_of_tables(&copy).await, before, "the copy is as it was");
    assert_ne!(names_of_tables(&folder.path().join("launchway.db")).await, before, "the store is changed");
    let mut connection = connect(&copy).await;
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM projects").fetch_all(&mut connection).await.unwrap();
    assert_eq!(names, ["shop"]);
    connection.close().await.unwrap();

    // Once it is changed there is nothing more to copy.
    std::fs::remove_file(&copy).unwrap();
    Store::open(folder.path()).await.unwrap().close().await;
    assert!(!copy.exists());
}
