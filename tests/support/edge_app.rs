//! An application behind the edge: a real server on a loopback address of its own, which does what the path says.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use launchway::model::Replica;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Addresses of applications in this process: 127.0.0.2 and on.
static NEXT: AtomicU8 = AtomicU8::new(2);

pub struct App {
    pub replica: Replica,
    pub port: u16,
    pub seen: Arc<Seen>,
    stop: CancellationToken,
}

#[derive(Default)]
pub struct Seen {
    pub name: String,
    /// `METHOD path`, in the order in which they came.
    pub requests: Mutex<Vec<String>>,
    pub connections: AtomicUsize,
    pub open: AtomicUsize,
    /// Lets one waiting answer go on.
    pub gate: Gate,
    /// Bytes of uploads, as they came.
    pub uploaded: AtomicUsize,
}

pub struct Gate(pub Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl App {
    /// Listens on the port at an address of its own, like a container does.
    pub async fn start(name: &str, port: u16) -> Self {
        let app = Self::at(name, Self::address(), port);
        app.listen().await;
        app
    }

    /// Nobody listens there yet.
    pub fn absent(name: &str, port: u16) -> Self {
        Self::at(name, Self::address(), port)
    }

    fn at(name: &str, address: Ipv4Addr, port: u16) -> Self {
        let replica = Replica { id: format!("container-{name}"), address: Some(IpAddr::V4(address)), also: None };
        let seen = Arc::new(Seen { name: name.into(), ..Seen::default() });
        Self { replica, port, seen, stop: CancellationToken::new() }
    }

    fn address() -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn listen(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((self.replica.address.unwrap(), self.port).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        tokio::spawn(serve(listener, self.seen.clone(), self.stop.clone()));
    }

    /// As when its container is killed: every connection breaks.
    pub async fn kill(&self) {
        self.stop.cancel();
        super::edge_world::until("the application to be gone", || async {
            tokio::net::TcpStream::connect((self.replica.address.unwrap(), self.port)).await.is_err()
        })
        .await;
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Lets so many answers that wait at the gate go on.
    pub fn open_gate(&self, times: usize) {
        self.seen.gate.0.add_permits(times);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>, stop: CancellationToken) {
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = stop.cancelled() => return,
        };
        stream.set_nodelay(true).unwrap();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        let (seen, stop) = (seen.clone(), stop.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            let (for_requests, stopping) = (seen.clone(), stop.clone());
            let service = service_fn(move |request| answer(for_requests.clone(), stopping.clone(), request));
            let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::select! {
                _ = serving => {}
                () = stop.cancelled() => {}
            }
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(
    seen: Arc<Seen>,
    stop: CancellationToken,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_string();
    seen.requests.lock().unwrap().push(format!("{} {path}", request.method()));
    let (sender, receiver) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(16);
    let chunk = |text: &str| Ok(Frame::data(Bytes::from(text.to_string())));
    match path.as_str() {
        "/ws" => return Ok(web_socket(&seen, stop, &mut request)),
        "/slow" => tokio::time::sleep(Duration::from_millis(100)).await,
        "/gate" => seen.gate.0.acquire().await.unwrap().forget(),
        "/never" => std::future::pending().await,
        "/break" => return Err(std::io::Error::other("broke")),
        "/upload" => {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    seen.uploaded.fetch_add(data.len(), Ordering::SeqCst);
                }
            }
            return Ok(text(&seen, format!("{} bytes", seen.uploaded.load(Ordering::SeqCst))));
        }
        "/trickle" | "/events" | "/half" => {
            let gate = seen.clone();
            tokio::spawn(async move {
                let _ = sender.send(chunk("first\n")).await;
                match path.as_str() {
                    "/events" => gate.gate.0.acquire().await.unwrap().forget(),
                    "/half" => return drop(sender.send(Err(std::io::Error::other("half"))).await),
                    _ => tokio::time::sleep(Duration::from_millis(150)).await,
                }
                let _ = sender.send(chunk("last\n")).await;
            });
            return Ok(streamed(&seen, receiver));
        }
        "/large" => {
            let body = Bytes::from_static(&[b'x'; 64 * 1024]);
            tokio::spawn(async move {
                // More than everybody on the way keeps for a client that does not read.
                for _ in 0..1024 {
                    if sender.send(Ok(Frame::data(body.clone()))).await.is_err() {
                        return;
                    }
                }
            });
            return Ok(streamed(&seen, receiver));
        }
        "/trailers" => {
            let asked = request.headers().clone();
            let body = request.into_body().collect().await.map_err(std::io::Error::other)?;
            let (sent, data) = (body.trailers().cloned().unwrap_or_default(), body.to_bytes());
            tokio::spawn(async move {
                let _ = sender.send(Ok(Frame::data(data))).await;
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                trailers.extend(sent);
                let _ = sender.send(Ok(Frame::trailers(trailers))).await;
            });
            let mut answer = streamed(&seen, receiver);
            answer.headers_mut().insert("trailer", "grpc-status, checksum".parse().unwrap());
            if let Some(kind) = asked.get("content-type") {
                answer.headers_mut().insert("content-type", kind.clone());
            }
            return Ok(answer);
        }
        path if path.starts_with("/status/") => {
            let mut answer = text(&seen, String::new());
            *answer.status_mut() = path["/status/".len()..].parse::<StatusCode>().unwrap();
            return Ok(answer);
        }
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let mut lines: Vec<String> = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    let head = format!("{} {} {:?}\n{}\n\n", parts.method, parts.uri, parts.version, lines.join("\n"));
    Ok(text(&seen, head + &String::from_utf8_lossy(&body)))
}

fn text(seen: &Seen, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    Response::builder().header("x-app", &seen.name).body(body).unwrap()
}

fn streamed(seen: &Seen, receiver: mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>) -> Response<Body> {
    let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver)).boxed_unsync();
    Response::builder().header("x-app", &seen.name).header("content-type", "text/event-stream").body(body).unwrap()
}

/// Answers each message with the application's name and the message, until either side closes.
fn web_socket(seen: &Arc<Seen>, stop: CancellationToken, request: &mut Request<Incoming>) -> Response<Body> {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let (upgrading, name) = (hyper::upgrade::on(request), seen.name.clone());
    tokio::spawn(async move {
        let upgraded = TokioIo::new(upgrading.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                () = stop.cancelled() => return,
            };
            match message {
                Some(Ok(message)) if message.is_text() => {
                    let answer = format!("{name}: {}", message.to_text().unwrap());
                    if socket.send(answer.into()).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    });
    Response::builder()
        .status(101)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .body(Full::default().map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}
