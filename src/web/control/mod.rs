//! The control API, which the command line speaks over the Unix socket in the data directory. Its rights are the
//! socket's file mode: whoever may connect may do everything.

mod answer;
mod ask;
mod collect;
mod deliveries;
mod deployments;
mod insights;
mod keep;
mod queue;
mod reports;
mod status;

use crate::run::Deployer;
use crate::web::metrics::metrics;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

pub use reports::plan_report;

pub fn control(deployer: Arc<Deployer>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/deployments", get(deployments::list))
        .route("/v1/deployments/{id}", get(deployments::one))
        .route("/v1/deployments/{id}/log", get(deployments::log))
        .route("/v1/deployments/{id}/cancel", post(ask::cancel))
        .route("/v1/deployments/{id}/approve", post(ask::approve))
        .route("/v1/releases", get(deployments::releases))
        .route("/v1/queue", get(queue::queue))
        .route("/v1/audit", get(queue::audit))
        .route("/v1/deploy", post(ask::deploy))
        .route("/v1/rollback", post(ask::roll_back))
        .route("/v1/rollback/plan", post(ask::plan_rollback))
        .route("/v1/give-back", post(ask::give_back))
        .route("/v1/give-back-orphan", post(ask::give_back_orphan))
        .route("/v1/adopt", post(ask::adopt))
        .route("/v1/remove", post(ask::remove))
        .route("/v1/start", post(keep::start))
        .route("/v1/promote", post(keep::promote))
        .route("/v1/pause", post(keep::pause))
        .route("/v1/resume", post(keep::resume))
        .route("/v1/plan", post(ask::plan))
        .route("/v1/check", post(ask::check))
        .route("/v1/insights", get(insights::insights_report))
        .route("/v1/gc", post(collect::collect))
        .route("/v1/backup", post(ask::back_up))
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{id}/redeliver", post(deliveries::redeliver))
        .fallback(answer::unknown)
        .layer(CatchPanicLayer::custom(|_| answer::broke().into_response()))
        .with_state(deployer)
}
