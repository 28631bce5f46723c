//! A registry with one name, for whoever signs in: as much of the OCI distribution specification as a pull needs.

use super::base_image::busybox;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub struct Registry {
    /// `127.0.0.1:PORT`: engines talk plain HTTP to the loopback address.
    pub host: String,
    content: Arc<Content>,
    task: tokio::task::JoinHandle<()>,
}

struct Content {
    authorization: String,
    images: Mutex<Images>,
}

#[derive(Default)]
struct Images {
    /// By digest.
    manifests: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// The digest of `app:1`.
    newest: String,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Registry {
    /// Has `app:1`, whose only layer holds one file with this text.
    pub async fn with_app(user: &str, password: &str, text: &str) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        let mut file = tar::Header::new_gnu();
        file.set_mode(0o644);
        file.set_size(text.len() as u64);
        tar.append_data(&mut file, "hello", text.as_bytes()).unwrap();
        let registry = Self::empty(user, password).await;
        registry.put(tar.into_inner().unwrap(), text);
        registry
    }

    /// Has `app:1` with a shell and all that belongs to it, and `/hello` with this text.
    pub async fn with_base(user: &str, password: &str, text: &str) -> Self {
        let registry = Self::empty(user, password).await;
        registry.put_base(text);
        registry
    }

    /// The same, with a file of so many megabytes.
    pub async fn with_large(user: &str, password: &str, megabytes: usize) -> Self {
        let registry = Self::empty(user, password).await;
        registry.put(busybox(&[("large", &"x".repeat(megabytes * 1_000_000))]), "large");
        registry
    }

    /// From now on `app:1` is another image; those of before are still there by their digests.
    pub fn put_base(&self, text: &str) -> String {
        self.put(busybox(&[("hello", text)]), text)
    }

    /// The same, and whoever builds on it carries out an instruction of its.
    pub fn put_base_with_trigger(&self, text: &str, trigger: &str) -> String {
        self.put_with(busybox(&[("hello", text)]), text, &[trigger])
    }

    async fn empty(user: &str, password: &str) -> Self {
        let authorization = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {authorization}");
        let content = Arc::new(Content { authorization, images: Mutex::default() });
        let router = Router::new()
            .route("/v2/", get(base))
            .route("/v2/app/manifests/{reference}", get(manifests))
            .route("/v2/app/blobs/{digest}", get(blob))
            .with_state(content.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, content, task }
    }

    /// Returns the image's digest.
    fn put(&self, layer: Vec<u8>, text: &str) -> String {
        self.put_with(layer, text, &[])
    }

    fn put_with(&self, layer: Vec<u8>, text: &str, triggers: &[&str]) -> String {
        let config = json!({
            "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
            "os": "linux",
            "config": { "Labels": { "said": text }, "ExposedPorts": { "8080/tcp": {} }, "Volumes": { "/data": {} }, "OnBuild": triggers },
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
        let manifest = manifest.to_string();
        let newest = digest(manifest.as_bytes());
        let mut images = self.content.images.lock().unwrap();
        images.blobs.extend([config, layer].map(|blob| (digest(&blob), blob)));
        images.manifests.insert(newest.clone(), manifest);
        images.newest.clone_from(&newest);
        newest
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
    let images = content.images.lock().unwrap();
    let digest = if reference == "1" { images.newest.clone() } else { reference };
    let Some(manifest) = images.manifests.get(&digest) else {
        let body = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] }).to_string();
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    };
    let headers = [(header::CONTENT_TYPE, MANIFEST.to_string()), ("docker-content-digest".parse().unwrap(), digest)];
    (headers, manifest.clone()).into_response()
}

async fn blob(State(content): State<Arc<Content>>, Path(digest): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&content, &headers) {
        return refused;
    }
    match content.images.lock().unwrap().blobs.get(&digest) {
        Some(blob) => blob.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
