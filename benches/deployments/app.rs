//! The app that is deployed: this binary in a container. It answers at once, or after five seconds, keeps WebSockets,
//! and on SIGTERM finishes what it has.

use super::backend::Backend;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const PORT: u16 = 8080;
/// How long a slow answer takes.
pub const SLOW: Duration = Duration::from_secs(5);
/// The header of what a release answers that was broken on purpose.
pub const ON_PURPOSE: &str = "x-broken-on-purpose";
/// How long the other side of a WebSocket may take to close it, too.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is wrong with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Its health check never succeeds.
    NeverReady,
    /// Its health check does, but everything else is an error.
    Errors,
}

impl Defect {
    pub fn word(self) -> &'static str {
        match self {
            Defect::NeverReady => "never-ready",
            Defect::Errors => "errors",
        }
    }
}

/// This process is the app.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("signals");
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("the port");
        let (stop, open) = (CancellationToken::new(), TaskTracker::new());
        let backend = Arc::new(Backend::default());
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => continue,
                },
                _ = terminate.recv() => break,
            };
            let _ = stream.set_nodelay(true);
            let (stopping, tracker, backend) = (stop.clone(), open.clone(), backend.clone());
            let service =
                service_fn(move |request| answer(request, stopping.clone(), tracker.clone(), backend.clone()));
            let stopping = stop.clone();
            open.spawn(async move {
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let mut serving = std::pin::pin!(serving.with_upgrades());
                tokio::select! {
                    _ = &mut serving => return,
                    () = stopping.cancelled() => serving.as_mut().graceful_shutdown(),
                }
                let _ = serving.await;
            });
        }
        drop(listener);
        stop.cancel();
        open.close();
        open.wait().await;
    });
}

async fn answer(
    mut request: Request<Incoming>,
    stop: CancellationToken,
    open: TaskTracker,
    backend: Arc<Backend>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let defect = variable("DEFECT");
    let says = |status: StatusCode, text: String| {
        let mut answer = Response::new(Full::new(Bytes::from(text)));
        *answer.status_mut() = status;
        answer
    };
    let path = request.uri().path().to_string();
    if path == "/health" {
        let is_well = defect != Defect::NeverReady.word();
        let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return Ok(says(status, String::new()));
    }
    if defect == Defect::Errors.word() {
        let mut answer = says(StatusCode::INTERNAL_SERVER_ERROR, "broken".into());
        answer.headers_mut().insert(ON_PURPOSE, HeaderValue::from_static("yes"));
        return Ok(answer);
    }
    match path.as_str() {
        "/ws" => {
            let Some(key) = request.headers().get("sec-websocket-key") else {
                return Ok(says(StatusCode::BAD_REQUEST, "not a WebSocket".into()));
            };
            let accept = derive_accept_key(key.as_bytes());
            let upgrading = hyper::upgrade::on(&mut request);
            open.spawn(async move {
                if let Ok(upgraded) = upgrading.await {
                    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                    converse(socket, stop).await;
                }
            });
            let mut answer = says(StatusCode::SWITCHING_PROTOCOLS, String::new());
            for (name, value) in
                [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)]
            {
                answer.headers_mut().insert(name, value.parse().expect("a header"));
            }
            return Ok(answer);
        }
        "/slow" => tokio::time::sleep(SLOW).await,
        _ => {
            if let Err(error) = backend.ask().await {
                return Ok(says(StatusCode::INTERNAL_SERVER_ERROR, format!("what it needs does not answer: {error}")));
            }
        }
    }
    Ok(says(StatusCode::OK, format!("{} {}", variable("METHOD"), variable("VERSION"))))
}

/// Gives each message back, until the client closes or the app ends.
async fn converse(mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, stop: CancellationToken) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = stop.cancelled() => break,
        };
        match message {
            Some(Ok(message)) if message.is_text() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            _ => return,
        }
    }
    let away = CloseFrame { code: CloseCode::Away, reason: "the app ends".into() };
    let farewell = async {
        let _ = socket.send(Message::Close(Some(away))).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
