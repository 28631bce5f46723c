//! A registry with one image, for whoever signs in: as much of the OCI distribution specification as a pull needs.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Registry {
    /// `127.0.0.1:PORT`: engines talk plain HTTP to the loopback address.
    pub host: String,
    task: tokio::task::JoinHandle<()>,
}

struct Content {
    authorization: String,
    manifest: String,
    blobs: BTreeMap<String, Vec<u8>>,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Registry {
    /// Has `app:1`, whose only layer holds one file with this text.
    pub async fn with_app(user: &str, password: &str, text: &str) -> Self {
        let authorization = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {authorization}");
        let mut tar = tar::Builder::new(Vec::new());
        let mut file = tar::Header::new_gnu();
        file.set_mode(0o644);
        file.set_size(text.len() as u64);
        tar.append_data(&mut file, "hello", text.as_bytes()).unwrap();
        let layer = tar.into_inner().unwrap();
        let config = json!({
            "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
            "os": "linux",
            "config": { "Labels": { "said": text }, "ExposedPorts": { "8080/tcp": {} }, "Volumes": { "/data": {} } },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let described =
            |kind: &str, blob: &[u8]| json!({ "mediaType": kind, "size": blob.len(), "digest": digest(blob) });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("application/vnd.oci.image.config.v1+json", &config),
            "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let blobs = [config, layer].into_iter().map(|blob| (digest(&blob), blob)).collect();
        let content = Arc::new(Content { authorization, manifest: manifest.to_string(), blobs });
        let router = Router::new()
            .route("/v2/", get(base))
            .route("/v2/app/manifests/{reference}", get(manifests))
            .route("/v2/app/blobs/{digest}", get(blob))
            .with_state(content);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, task }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn refused(content: &Content, headers: &HeaderMap) -> Option<Response> {
    if headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == content.authorization.as_bytes()) {
        return None;
    }
    let body = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] }).to_string();
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"test\""), (header::CONTENT_TYPE, "application/json")];
    Some((StatusCode::UNAUTHORIZED, ask, body).into_response())
}

async fn base(State(content): State<Arc<Content>>, headers: HeaderMap) -> Response {
    refused(&content, &headers).unwrap_or_else(|| StatusCode::OK.into_response())
}

async fn manifests(State(content): State<Arc<Content>>, Path(reference): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&content, &headers) {
        return refused;
    }
    let digest = digest(content.manifest.as_bytes());
    if reference != "1" && reference != digest {
        let body = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] }).to_string();
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let headers = [(header::CONTENT_TYPE, MANIFEST.to_string()), ("docker-content-digest".parse().unwrap(), digest)];
    (headers, content.manifest.clone()).into_response()
}

async fn blob(State(content): State<Arc<Content>>, Path(digest): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&content, &headers) {
        return refused;
    }
    match content.blobs.get(&digest) {
        Some(blob) => blob.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
