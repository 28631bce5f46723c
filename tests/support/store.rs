//! A look into a server's store from outside, beside the server.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Column, ConnectOptions, Connection, Row, TypeInfo, ValueRef};
use std::path::Path;
use std::time::Duration;

/// The answer, a line a row, columns joined by `|`; what SQLite says where it cannot answer, as while the server makes
/// its store.
pub fn query(path: &Path, sql: &str) -> Result<String, String> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let sql = sql.to_string();
    connected(options, move |mut connection| async move {
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows.iter().map(|row| format!("{}\n", line(row))).collect())
    })
}

/// Changes the store of a server that does not run, as time would.
pub fn change(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path);
    let sql = sql.to_string();
    let changed = connected(options, move |mut connection| async move {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await
    });
    changed.unwrap_or_else(|error| panic!("{error}"));
}

/// On a thread with a runtime of its own: stories ask from within theirs, and wait for the answer.
fn connected<T: Send + 'static, F: Future<Output = sqlx::Result<T>>>(
    options: SqliteConnectOptions,
    work: impl FnOnce(SqliteConnection) -> F + Send + 'static,
) -> Result<T, String> {
    let options = options.busy_timeout(Duration::from_secs(5)).disable_statement_logging();
    let answered = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { work(options.connect().await?).await }).map_err(|error: sqlx::Error| error.to_string())
    });
    answered.join().unwrap()
}

fn line(row: &SqliteRow) -> String {
    row.columns().iter().map(|column| text(row, column.ordinal())).collect::<Vec<_>>().join("|")
}

fn text(row: &SqliteRow, index: usize) -> String {
    let raw = row.try_get_raw(index).unwrap();
    if raw.is_null() {
        return "NULL".to_string();
    }
    let kind = raw.type_info().name().to_string();
    match kind.as_str() {
        "INTEGER" | "BOOLEAN" => row.get_unchecked::<i64, _>(index).to_string(),
        "REAL" => row.get_unchecked::<f64, _>(index).to_string(),
        "BLOB" => String::from_utf8_lossy(&row.get_unchecked::<Vec<u8>, _>(index)).into_owned(),
        _ => row.get_unchecked::<String, _>(index),
    }
}
