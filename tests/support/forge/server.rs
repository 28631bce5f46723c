//! The server around the three forges: what it knows, what it kept, which fault comes next.

use super::description::Description;
use super::fault::{Fault, answer};
use super::{gitea, github, gitlab};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use launchway::forge::statuses::StatusTarget;
use launchway::model::{CommitId, ForgeKind, GitCredentials, Secret};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The only token that the forge accepts.
pub const TOKEN: &str = "tok-5c1f0e9d2b";

/// A status as the forge was told it, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub sha: String,
    pub context: String,
    pub state: String,
    pub description: String,
    pub target_url: Option<String>,
}

pub struct FakeForge {
    pub kind: ForgeKind,
    address: SocketAddr,
    pub(super) world: Arc<World>,
    server: tokio::task::JoinHandle<()>,
}

pub(super) struct World {
    pub kind: ForgeKind,
    pub description: Description,
    pub repository: String,
    pub commits: Mutex<HashSet<String>>,
    pub kept: Mutex<Vec<Kept>>,
    pub pipelines: Mutex<Vec<gitlab::Pipeline>>,
    /// The token is right, but lacks the right to set statuses.
    pub without_scope: AtomicBool,
    pub ids: AtomicI64,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<String>>,
    /// Requests that got no answer and are still to be served.
    late: Mutex<Vec<Request>>,
    cut_connection: Arc<AtomicBool>,
}

pub(super) struct Request {
    pub method: Method,
    /// Parts of the path below the API's, percent-decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    pub fn text(&self, key: &str) -> Option<&str> {
        self.body.get(key)?.as_str()
    }
}

impl FakeForge {
    /// A forge of that kind with one repository, `octo/shop` (`octo/teams/shop` on GitLab).
    pub async fn start(kind: ForgeKind) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut_connection = Arc::new(AtomicBool::new(false));
        let world = Arc::new(World {
            kind,
            description: Description::of(kind),
            repository: if kind == ForgeKind::GitLab { "octo/teams/shop" } else { "octo/shop" }.into(),
            commits: Mutex::default(),
            kept: Mutex::default(),
            pipelines: Mutex::default(),
            without_scope: AtomicBool::new(false),
            ids: AtomicI64::new(1),
            faults: Mutex::default(),
            requests: Mutex::default(),
            late: Mutex::default(),
            cut_connection: cut_connection.clone(),
        });
        let app = Router::new().fallback(handle).with_state(world.clone());
        let server =
            tokio::spawn(async move { axum::serve(Cuttable { listener, cut_connection }, app).await.unwrap() });
        Self { kind, address, world, server }
    }

    pub fn api(&self) -> String {
        format!("http://{}{}", self.address, base(self.kind))
    }

    pub fn target(&self) -> StatusTarget {
        StatusTarget {
            forge: self.kind,
            api: Some(self.api().parse().unwrap()),
            repository: self.world.repository.clone(),
            clone_url: format!("http://{}/{}.git", self.address, self.world.repository),
            token: Some(Secret::new(TOKEN)),
            credentials: GitCredentials::default(),
        }
    }

    /// The commit was pushed there.
    pub fn knows(&self, commit: &CommitId) {
        self.world.commits.lock().unwrap().insert(commit.to_string());
    }

    pub fn take_scope_away(&self) {
        self.world.without_scope.store(true, Ordering::SeqCst);
    }

    /// The next call gets this; faults queue up.
    pub fn answer_next(&self, fault: Fault) {
        self.world.faults.lock().unwrap().push_back(fault);
    }

    /// Serves what got no answer when it came.
    pub fn serves_late(&self) {
        let late = std::mem::take(&mut *self.world.late.lock().unwrap());
        assert!(!late.is_empty(), "nothing was held back");
        for request in late {
            let (status, body) = answer_of(&self.world, &request);
            assert_eq!(status, 201, "{body}");
        }
    }

    /// No further fault comes.
    pub fn is_well(&self) {
        self.world.faults.lock().unwrap().clear();
    }

    /// What it was told of a commit and context, in order.
    pub fn kept(&self, commit: &CommitId, context: &str) -> Vec<Kept> {
        let kept = self.world.kept.lock().unwrap();
        kept.iter().filter(|kept| kept.sha == commit.as_str() && kept.context == context).cloned().collect()
    }

    /// The same over all contexts.
    pub fn kept_of(&self, commit: &CommitId) -> Vec<Kept> {
        let kept = self.world.kept.lock().unwrap();
        kept.iter().filter(|kept| kept.sha == commit.as_str()).cloned().collect()
    }

    /// All of them.
    pub fn all_kept(&self) -> Vec<Kept> {
        self.world.kept.lock().unwrap().clone()
    }

    /// The repository's full name there.
    pub fn repository(&self) -> &str {
        &self.world.repository
    }

    /// `METHOD /path` of every call, faults included.
    pub fn requests(&self) -> Vec<String> {
        self.world.requests.lock().unwrap().clone()
    }

    /// As if that many statuses of the context had been sent before.
    pub fn was_told(&self, times: usize, kept: &Kept) {
        self.world.kept.lock().unwrap().extend(std::iter::repeat_n(kept.clone(), times));
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn base(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => "",
        ForgeKind::GitLab => "/api/v4",
        _ => "/api/v1",
    }
}

async fn handle(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    world.requests.lock().unwrap().push(format!("{method} {uri}"));
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let Some(path) = uri.path().strip_prefix(base(world.kind)) else { return answer(404, &[], Value::Null) };
    let query = uri.query().unwrap_or_default();
    let request = Request {
        method,
        path: path.trim_start_matches('/').split('/').map(decoded).collect(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let fault = world.faults.lock().unwrap().pop_front();
    match fault {
        Some(Fault::Answer { status, headers, body }) => return answer(status, &headers, body),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Close) => {
            world.cut_connection.store(true, Ordering::SeqCst);
            return answer(500, &[], Value::Null);
        }
        Some(Fault::Late) => {
            world.late.lock().unwrap().push(request);
            world.cut_connection.store(true, Ordering::SeqCst);
            return answer(500, &[], Value::Null);
        }
        Some(Fault::KeepThenClose) => world.cut_connection.store(true, Ordering::SeqCst),
        Some(Fault::Pass) | None => {}
    }
    let (status, body) = answer_of(&world, &request);
    answer(status, &[], body)
}

fn answer_of(world: &World, request: &Request) -> (u16, Value) {
    let (status, body) = match world.kind {
        ForgeKind::GitHub => github::answer(world, request),
        ForgeKind::GitLab => gitlab::answer(world, request),
        _ => gitea::answer(world, request),
    };
    if status == 201 {
        world.description.assert_answer(&body);
    }
    (status, body)
}

/// A listener whose next answer can be cut off: the write fails, and the connection with it.
struct Cuttable {
    listener: TcpListener,
    cut_connection: Arc<AtomicBool>,
}

impl axum::serve::Listener for Cuttable {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        (CuttableStream { stream, cut_connection: self.cut_connection.clone() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

struct CuttableStream {
    stream: TcpStream,
    cut_connection: Arc<AtomicBool>,
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut_connection.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
