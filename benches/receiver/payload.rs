//! What is sent: the corpus' median push of GitHub.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use launchway::forge;
use launchway::model::{EventKind, ForgeKind};
use std::path::Path;

pub const SECRET: &str = "bench-secret";

pub struct Payload {
    pub name: String,
    pub body: Bytes,
    /// `owner/name` of its repository.
    pub full_name: String,
    /// The branch that was pushed to.
    pub branch: String,
}

/// The payload in the middle of all recorded pushes to a branch, by size.
pub fn median() -> Payload {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks/github/push");
    let files = std::fs::read_dir(&folder).expect("the corpus of webhooks").flatten();
    let mut pushes: Vec<Payload> = files.filter_map(|file| push(&file.path())).collect();
    pushes.sort_by_key(|payload| (payload.body.len(), payload.name.clone()));
    let middle = (pushes.len() - 1) / 2;
    pushes.swap_remove(middle)
}

fn push(path: &Path) -> Option<Payload> {
    let body = Bytes::from(std::fs::read(path).ok()?);
    let headers = HeaderMap::from_iter([
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ("x-github-event".parse().ok()?, HeaderValue::from_static("push")),
    ]);
    let event = forge::read(ForgeKind::GitHub, &headers, &body).ok()?.pop()?;
    let EventKind::Push(change) = event.kind else { return None };
    Some(Payload {
        name: path.file_name()?.to_string_lossy().into_owned(),
        body,
        full_name: event.repository?.full_name,
        branch: change.reference.branch()?.to_string(),
    })
}

impl Payload {
    /// The whole request, and where in it the delivery's id stands; the id is in no signature, so each request costs
    /// the sender no more than writing it.
    pub fn request(&self, address: &str) -> (Vec<u8>, std::ops::Range<usize>) {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key").chain_update(&self.body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let before = format!(
            "POST /hooks/bench HTTP/1.1\r\nHost: {address}\r\nUser-Agent: GitHub-Hookshot/044aadd\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nX-GitHub-Event: push\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: ",
            self.body.len()
        );
        let id = before.len()..before.len() + 36;
        let mut request = before.into_bytes();
        request.extend_from_slice(&[b'0'; 36]);
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(&self.body);
        (request, id)
    }
}
