//! The app that is replaced: this binary in a container, with one SQLite file on a volume. Every request is a row in it,
//! and the answer says the version and how many there are.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub const PORT: u16 = 8080;
/// Where the volume is mounted.
pub const DATA: &str = "/data";

/// This process is the app; on SIGTERM it finishes what it has.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("signals");
        let file = SqliteConnectOptions::new().filename(format!("{DATA}/app.db")).create_if_missing(true);
        let file = file.journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(file).await.expect("the database");
        sqlx::query("CREATE TABLE IF NOT EXISTS hits (id INTEGER PRIMARY KEY)").execute(&pool).await.expect("a table");
        let app =
            Router::new().route("/", get(hit)).route("/health", get(|| async { "well" })).with_state(pool.clone());
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("the port");
        let told = async move {
            terminate.recv().await;
        };
        axum::serve(listener, app).with_graceful_shutdown(told).await.expect("an end in good order");
        pool.close().await;
    });
}

async fn hit(State(pool): State<SqlitePool>) -> String {
    let id = sqlx::query("INSERT INTO hits DEFAULT VALUES").execute(&pool).await.map(|done| done.last_insert_rowid());
    format!("{} {}", std::env::var("VERSION").unwrap_or_default(), id.unwrap_or_default())
}
