//! What comes before a request's answer (RFC 9110, 15.2): 100, for which its body waits where the client waits, and others (103),
//! which are passed on.

use super::aside::Aside;
use super::head;
use futures_util::task::AtomicWaker;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// An app that says nothing by then gets the body: many know nothing of 100.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Of one request of HTTP/1.1.
pub struct Interim {
    client: Arc<Aside>,
    /// The client sends its body once it is told to, and nobody has said so.
    body_waits: AtomicBool,
    /// Who asks for the body.
    body: AtomicWaker,
    /// Looks at what is to be said to the client.
    teller: AtomicWaker,
    is_over: AtomicBool,
}

/// The request's answer has come, or nobody waits for it any more, once this is dropped: what comes later is not told.
pub struct Waits(pub Arc<Interim>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

impl Interim {
    /// `body_waits`: the client waits until it is told to send its body.
    pub fn new(client: Arc<Aside>, body_waits: bool) -> Arc<Self> {
        Arc::new(Self {
            client,
            body_waits: AtomicBool::new(body_waits),
            body: AtomicWaker::new(),
            teller: AtomicWaker::new(),
            is_over: AtomicBool::new(false),
        })
    }

    /// The replica says so before its answer.
    pub fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        if status == StatusCode::CONTINUE {
            self.ask_for_body();
        } else if !self.is_over.load(Ordering::Acquire) {
            self.client.say(&written(status, headers));
            self.teller.wake();
        }
    }

    fn ask_for_body(&self) {
        self.body_waits.store(false, Ordering::Release);
        self.body.wake();
    }

    /// Ready once the body may be asked for, which tells the client to send it.
    pub fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.register(cx.waker());
        if self.body_waits.load(Ordering::Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Has the task that this is part of, which writes to the client, look again whenever there is something to be said; and the
    /// body asked for when the replica says nothing. Never ends.
    pub async fn look_after(&self) -> Infallible {
        let mut wait = std::pin::pin!(async {
            if self.body_waits.load(Ordering::Acquire) {
                tokio::time::sleep(LONGEST_WAIT).await;
                self.ask_for_body();
            }
            std::future::pending().await
        });
        std::future::poll_fn(|cx| {
            self.teller.register(cx.waker());
            wait.as_mut().poll(cx)
        })
        .await
    }
}

/// As HTTP/1.1 has it.
fn written(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut headers = headers.clone();
    head::for_client(&mut headers);
    headers.remove(CONTENT_LENGTH);
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}
