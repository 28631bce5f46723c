//! The pages' routes. There is no sign-in yet: a page's unguessable address is what protects it, so nothing may leak
//! that address, and pages show only what may be public.

use super::health::Health;
use super::look;
use super::{delivery_page, deployment_page, health, plain_page};
use crate::run::{Deployer, Refusal};
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// The pages and the health check, to be merged into the server's routes.
pub fn routes(deployer: Arc<Deployer>) -> Router {
    Router::new()
        .route("/", get(plain_page::home))
        .route("/deployments/{page_key}", get(deployment))
        .route("/deployments/{page_key}/approve", post(approve).layer(DefaultBodyLimit::max(4096)))
        .route("/deliveries/{page_key}", get(delivery))
        .route("/healthz", get(health::healthz))
        .fallback(not_found)
        .layer(Extension(Arc::new(Health::default())))
        // One page that cannot be made is no other's trouble, nor its connection's.
        .layer(CatchPanicLayer::custom(|_| (StatusCode::INTERNAL_SERVER_ERROR, plain_page::failed()).into_response()))
        .layer(middleware::from_fn(guarded))
        .with_state(deployer)
}

async fn deployment(State(deployer): State<Arc<Deployer>>, Path(key): Path<String>) -> Response {
    page(&key, deployment_page::deployment_page(&deployer, &key).await)
}

/// What the form of a deployment's page sends.
#[derive(serde::Deserialize)]
struct Yes {
    code: String,
}

async fn approve(
    State(deployer): State<Arc<Deployer>>,
    Path(key): Path<String>,
    yes: Result<Form<Yes>, FormRejection>,
) -> Response {
    let Ok(Form(yes)) = yes else {
        return (StatusCode::BAD_REQUEST, plain_page::refused("the form's code is missing", &key)).into_response();
    };
    match deployer.approve_on_page(&key, yes.code.trim()).await {
        Ok(Some(_)) => Redirect::to(&format!("/deployments/{key}")).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, plain_page::not_found()).into_response(),
        Err(Refusal::Failed(error)) => page(&key, Err(error)),
        Err(refusal) => {
            (StatusCode::FORBIDDEN, plain_page::refused(&deployer.mask().sentence(&refusal.to_string()), &key))
                .into_response()
        }
    }
}

async fn delivery(State(deployer): State<Arc<Deployer>>, Path(key): Path<String>) -> Response {
    page(&key, delivery_page::delivery_page(&deployer, &key).await)
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, plain_page::not_found()).into_response()
}

fn page(key: &str, made: anyhow::Result<Option<String>>) -> Response {
    match made {
        Ok(Some(html)) => Html(html).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, plain_page::not_found()).into_response(),
        Err(error) => {
            // Only the beginning of the key: the whole one opens the page.
            let key: String = key.chars().take(6).collect();
            tracing::error!(page = key, error = format!("{error:#}"), "A page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, plain_page::failed()).into_response()
        }
    }
}

/// What the browser is told about every page: run nothing, load nothing, tell nobody the address, keep nothing.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&look::content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
