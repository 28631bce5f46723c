//! `GET /metrics`. Names of projects are private, so it is on the control socket, and on a listener of its own where
//! the settings say so; never among the pages that anybody may read.

use crate::run::{CONTENT_TYPE, Deployer};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// The routes of `metrics.listen`: nothing but the measures.
pub fn metrics_routes(deployer: Arc<Deployer>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(deployer)
}

pub async fn metrics(State(deployer): State<Arc<Deployer>>) -> Response {
    match deployer.exposition().await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The measures could not be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "The measures could not be read; the server's log says why.\n")
                .into_response()
        }
    }
}
