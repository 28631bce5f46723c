//! The edge, asked from another process.

use super::wire_format::{Health, Heard, Knock, Knocked, Problem, Question};
use crate::model::{ComponentRoutes, Replica, RouteKey, RouteTable, Traffic};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// The edge writes to its disk before it answers.
const WITHIN: Duration = Duration::from_secs(30);

/// The control socket's name in the data directory.
pub const SOCKET: &str = "edge.sock";

#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Whether the change was made is not known; it may be made again.
    #[error("no edge answers ({why}). Start it with `launchway edge` or `launchway up`")]
    Away { socket: PathBuf, why: String },
    /// Whether the change was made is not known; it may be made again.
    #[error("{front} does not answer ({why}). `docker logs {container}` says what it last said")]
    FrontAway { front: String, container: String, why: String },
    /// The edge's own words; nothing has changed.
    #[error("{detail}")]
    Refused { status: u16, detail: String },
    #[error("the edge's answer is not understood: {0}. Are edge and server of the same version?")]
    NotUnderstood(String),
}

impl EdgeError {
    /// Somebody else has the host and path or the port, or the port cannot be opened.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

/// Bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// How to reach a front's control API, which has no socket on this machine.
#[async_trait::async_trait]
pub trait Dial: Send + Sync {
    async fn dial(&self) -> anyhow::Result<Box<dyn ByteStream>>;
    /// What is dialled, for people: `the front of api`.
    fn name(&self) -> String;
    /// The engine's id of its container, short.
    fn container(&self) -> &str;
}

/// Asks over a new connection each time: a restarted edge is found at once.
#[derive(Clone)]
pub struct EdgeClient {
    way: Way,
}

#[derive(Clone)]
enum Way {
    Socket(PathBuf),
    /// Dialling costs: a connection is kept for the next question.
    Dial {
        dial: Arc<dyn Dial>,
        kept: Arc<tokio::sync::Mutex<Kept>>,
    },
}

/// The connection that was dialled last.
#[derive(Default)]
struct Kept {
    sender: Option<http1::SendRequest<Full<Bytes>>>,
    /// How often it was put back.
    times: u64,
}

/// A connection that nobody asked over for so long is ended: it takes a process at its other end.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Puts it back, and ends it when nobody has used it by then.
fn keep(all: &Arc<tokio::sync::Mutex<Kept>>, kept: &mut Kept, sender: http1::SendRequest<Full<Bytes>>) {
    kept.sender = Some(sender);
    kept.times += 1;
    let (all, times) = (all.clone(), kept.times);
    tokio::spawn(async move {
        tokio::time::sleep(KEPT_FOR).await;
        let mut kept = all.lock().await;
        if kept.times == times {
            kept.sender = None;
        }
    });
}

impl EdgeClient {
    /// For the edge of this data directory; does not connect yet.
    pub fn new(data: &Path) -> Self {
        Self::at(data.join(SOCKET))
    }

    /// For a front.
    pub fn of_front(dial: Arc<dyn Dial>) -> Self {
        Self { way: Way::Dial { dial, kept: Arc::default() } }
    }

    /// An edge that has handed its sockets over is asked elsewhere.
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { way: Way::Socket(socket) }
    }

    /// The edge's control socket; a front has none here.
    pub(super) fn socket(&self) -> Option<&Path> {
        match &self.way {
            Way::Socket(socket) => Some(socket),
            Way::Dial { .. } => None,
        }
    }

    /// Serves these routes of the component from now on, instead of those it had.
    pub async fn put(&self, key: &RouteKey, routes: &ComponentRoutes) -> Result<(), EdgeError> {
        self.change(&[(key.clone(), Some(routes.clone()))]).await
    }

    /// Nothing leads to the component any more. What is in flight goes on.
    pub async fn remove(&self, key: &RouteKey) -> Result<(), EdgeError> {
        self.change(&[(key.clone(), None)]).await
    }

    /// The routes of several components, all in one moment: a way in goes from one to another without a gap. `None`:
    /// nothing leads to the component any more.
    pub async fn change(&self, changes: &[(RouteKey, Option<ComponentRoutes>)]) -> Result<(), EdgeError> {
        self.patch("/v1/routes", changes).await
    }

    /// The same, told to an edge that this one has taken over from.
    pub(super) async fn follow(&self, changes: &[(RouteKey, Option<ComponentRoutes>)]) -> Result<(), EdgeError> {
        self.patch("/v1/follow", changes).await
    }

    async fn patch(&self, path: &str, changes: &[(RouteKey, Option<ComponentRoutes>)]) -> Result<(), EdgeError> {
        let body = serde_json::to_vec(changes).map_err(|error| EdgeError::NotUnderstood(error.to_string()))?;
        self.ask(Method::PATCH, path, body).await.map(drop)
    }

    /// Closes WebSockets (1001) to a container that is about to stop and gets nothing new. Other connections can only be
    /// cut.
    pub async fn say_goodbye(&self, container: &str) -> Result<(), EdgeError> {
        self.ask(Method::POST, &format!("/v1/goodbye/{container}"), Vec::new()).await.map(drop)
    }

    /// What the port of a container says to a request of HTTP, asked from where the edge is.
    pub async fn ask_at(&self, addresses: &[IpAddr], port: u16) -> Result<Heard, EdgeError> {
        self.post("/v1/ask", &Question { addresses: addresses.to_vec(), port }).await
    }

    /// Which of these ports of a replica take connections from where the edge or front is; by the order of `ports`.
    pub async fn knock(&self, replica: Replica, ports: Vec<u16>) -> Result<Vec<Knocked>, EdgeError> {
        self.post("/v1/knock", &Knock { replica, ports }).await
    }

    pub async fn routes(&self) -> Result<RouteTable, EdgeError> {
        self.get("/v1/routes").await
    }

    pub async fn traffic(&self) -> Result<Traffic, EdgeError> {
        self.get("/v1/traffic").await
    }

    pub async fn health(&self) -> Result<Health, EdgeError> {
        self.get("/v1/health").await
    }

    /// Asks it to send its sockets to this process, which then waits for them (`hand_over`).
    pub(super) async fn hand_over(&self) -> Result<(), EdgeError> {
        self.ask(Method::POST, "/v1/hand-over", Vec::new()).await.map(drop)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, question: &impl Serialize) -> Result<T, EdgeError> {
        let body = serde_json::to_vec(question).map_err(|error| EdgeError::NotUnderstood(error.to_string()))?;
        let answer = self.ask(Method::POST, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| EdgeError::NotUnderstood(error.to_string()))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EdgeError> {
        let body = self.ask(Method::GET, path, Vec::new()).await?;
        serde_json::from_slice(&body).map_err(|error| EdgeError::NotUnderstood(error.to_string()))
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, EdgeError> {
        let away = |why: String| match &self.way {
            Way::Socket(socket) => EdgeError::Away { socket: socket.clone(), why },
            Way::Dial { dial, .. } => {
                EdgeError::FrontAway { front: dial.name(), container: dial.container().to_string(), why }
            }
        };
        match tokio::time::timeout(WITHIN, self.exchange(method, path, body)).await {
            Ok(Ok((status, body))) if status.is_success() => Ok(body),
            Ok(Ok((status, body))) => {
                let detail = match serde_json::from_slice::<Problem>(&body) {
                    Ok(problem) => problem.detail,
                    Err(_) => format!("{status}: {}", String::from_utf8_lossy(&body).trim()),
                };
                match status {
                    // It ends; the one that comes after it is to be asked.
                    StatusCode::SERVICE_UNAVAILABLE => Err(away(detail)),
                    status => Err(EdgeError::Refused { status: status.as_u16(), detail }),
                }
            }
            Ok(Err(error)) => Err(away(format!("{error:#}"))),
            Err(_) => Err(away("it does not answer in time".into())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "edge")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        match &self.way {
            Way::Socket(socket) => answer(&mut shake_hands(UnixStream::connect(socket).await?).await?, request).await,
            Way::Dial { dial, kept } => {
                let mut place = kept.lock().await;
                if let Some(mut sender) = place.sender.take()
                    && sender.ready().await.is_ok()
                    && let Ok(answered) = answer(&mut sender, request.clone()).await
                {
                    keep(kept, &mut place, sender);
                    return Ok(answered);
                }
                // What was kept may have ended; every question may be asked again.
                let mut sender = shake_hands(dial.dial().await?).await?;
                let answered = answer(&mut sender, request).await?;
                keep(kept, &mut place, sender);
                Ok(answered)
            }
        }
    }
}

async fn shake_hands(stream: impl ByteStream + 'static) -> anyhow::Result<http1::SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

async fn answer(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

impl EdgeError {
    /// It is of a version that does not know what it was asked.
    pub fn is_unknown_call(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Nobody answered: it may be asked again.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::FrontAway { .. })
    }
}
