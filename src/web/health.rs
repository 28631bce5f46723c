//! `GET /healthz`, for what watches over the server.

use crate::model::DeploymentId;
use crate::run::Deployer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Anybody may ask; the engine is asked no more often than this.
const ENGINE_ASKED_EVERY: Duration = Duration::from_secs(5);

/// What was last known of the engine.
#[derive(Default)]
pub struct Health {
    engine: Mutex<Option<(Instant, bool)>>,
}

#[derive(Serialize)]
pub struct Answer {
    /// `ok` while the store answers: deliveries are taken then, whatever the engine does.
    status: &'static str,
    store: &'static str,
    engine: &'static str,
}

pub async fn healthz(
    State(deployer): State<Arc<Deployer>>,
    Extension(health): Extension<Arc<Health>>,
) -> (StatusCode, Json<Answer>) {
    let asked = tokio::time::timeout(ANSWERS_WITHIN, deployer.store.deployment(DeploymentId(0)));
    let (store, engine) = tokio::join!(asked, health.engine_answers(&deployer));
    let has_store = matches!(store, Ok(Ok(_)));
    let word = |answers: bool| if answers { "ok" } else { "does not answer" };
    let code = if has_store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Answer { status: word(has_store), store: word(has_store), engine: word(engine) }))
}

impl Health {
    async fn engine_answers(&self, deployer: &Deployer) -> bool {
        let mut known = self.engine.lock().await;
        if let Some((at, answers)) = *known
            && at.elapsed() < ENGINE_ASKED_EVERY
        {
            return answers;
        }
        let answers = matches!(tokio::time::timeout(ANSWERS_WITHIN, deployer.engine.info()).await, Ok(Ok(_)));
        *known = Some((Instant::now(), answers));
        answers
    }
}
