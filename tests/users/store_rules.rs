//! What a store promises: nothing accepted is lost when power fails, and an upgrade can be taken back.

use launchway::model::ForgeKind;
use launchway::store::{Arrival, DeliveryOutcome, NewDelivery, Store, StoreError};
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

fn delivery(id: &str, page_key: &str) -> NewDelivery {
    NewDelivery {
        project: "shop".parse().unwrap(),
        id: id.parse().unwrap(),
        forge: ForgeKind::GitHub,
        event_name: "push".into(),
        kind: "push".into(),
        event: None,
        found: false,
        outcome: DeliveryOutcome::Received,
        reason: String::new(),
        page_key: page_key.into(),
    }
}

#[tokio::test]
async fn of_deliveries_that_arrive_together_each_id_is_new_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    // 300 ids, each four times over, so that the same id waits for the same transaction.
    let arriving = (0..1_200).map(|n| {
        let store = store.clone();
        let new = delivery(&format!("id-{}", n % 300), &format!("{n:032x}"));
        tokio::spawn(async move { store.add_delivery(new, 1).await.unwrap() })
    });
    let arriving: Vec<_> = arriving.collect();
    let arrived = futures_util::future::try_join_all(arriving).await.unwrap();
    let mut numbers = Vec::new();
    for (n, arrival) in arrived.iter().enumerate() {
        match arrival {
            Arrival::New(number) => {
                let stored = store.delivery(*number).await.unwrap().unwrap();
                assert_eq!((stored.id.to_string(), stored.page_key), (format!("id-{}", n % 300), format!("{n:032x}")));
                numbers.push(*number);
            }
            Arrival::Again(before) => assert_eq!(before.id.to_string(), format!("id-{}", n % 300)),
        }
    }
    assert_eq!(numbers.len(), 300);
    assert!(numbers.is_sorted(), "in the order in which they came");
    store.close().await;
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_does_not_disturb_those_that_arrive_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store.add_delivery(delivery("first", "taken"), 1).await.unwrap();
    let arriving = (0..20).map(|n| {
        let store = store.clone();
        let key = if n == 7 { "taken".to_string() } else { format!("key-{n}") };
        async move { store.add_delivery(delivery(&format!("id-{n}"), &key), 1).await }
    });
    let arrived = futures_util::future::join_all(arriving).await;
    for (n, arrival) in arrived.iter().enumerate() {
        match n {
            7 => assert!(matches!(arrival, Err(StoreError::Query { .. })), "{arrival:?}"),
            _ => assert!(matches!(arrival, Ok(Arrival::New(_))), "{arrival:?}"),
        }
    }
    assert_eq!(store.deliveries(None, 100).await.unwrap().len(), 20);
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
