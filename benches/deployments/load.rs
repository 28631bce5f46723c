//! The load: open loops at a fixed rate, each answer's time counted from when it was to be asked for. A slow answer
//! delays no other request, and what had to wait to be sent counts as having waited.

use super::app::ON_PURPOSE;
use super::site::METHODS;
use super::sockets;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// Whoever waits longer gives up: longer than the edge lets anybody wait.
pub const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    KeptAlive,
    NewConnection,
    Slow,
    WebSocket,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::KeptAlive, Class::NewConnection, Class::Slow, Class::WebSocket];

    pub fn name(self) -> &'static str {
        match self {
            Class::KeptAlive => "HTTP/1.1, kept alive",
            Class::NewConnection => "HTTP/1.1, a connection each",
            Class::Slow => "answers that take 5 s",
            Class::WebSocket => "messages over WebSockets",
        }
    }

    /// A second, to each environment.
    pub fn rate(self) -> f64 {
        match self {
            Class::KeptAlive => 20.0,
            Class::NewConnection => 10.0,
            Class::Slow => 0.8,
            Class::WebSocket => sockets::SOCKETS as f64 / sockets::EVERY.as_secs_f64(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Good,
    /// What a release answers that was broken so that it does.
    OnPurpose,
    Failed(String),
}

/// One request, or one message and its echo.
#[derive(Debug)]
pub struct Told {
    pub class: Class,
    pub method: usize,
    /// When it was to be sent.
    pub due: Instant,
    pub took: Duration,
    pub outcome: Outcome,
}

/// How WebSockets came to their ends, but for those that the load itself closed.
#[derive(Debug, Default, Clone)]
pub struct Sockets {
    pub opened: u64,
    /// With a close frame that says that the server goes (1001), or that all is well (1000).
    pub closed: u64,
    /// Without a close frame, or with another code.
    pub cut: Vec<(usize, Instant, String)>,
}

/// What everybody writes into.
#[derive(Default)]
pub struct Book {
    told: Mutex<Vec<Told>>,
    sockets: Mutex<Sockets>,
}

impl Book {
    pub fn note(&self, class: Class, method: usize, due: Instant, outcome: Outcome) {
        let told = Told { class, method, due, took: due.elapsed(), outcome };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    pub fn sockets(&self, change: impl FnOnce(&mut Sockets)) {
        change(&mut self.sockets.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn failed(&self) -> usize {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|told| matches!(told.outcome, Outcome::Failed(_))).count()
    }
}

pub struct Load {
    stop: CancellationToken,
    running: JoinSet<()>,
    pub book: Arc<Book>,
}

impl Load {
    pub fn start(ports: [u16; 4]) -> Self {
        let (stop, book, mut running) = (CancellationToken::new(), Arc::new(Book::default()), JoinSet::new());
        for (method, port) in ports.into_iter().enumerate() {
            for class in [Class::KeptAlive, Class::NewConnection, Class::Slow] {
                let client = Client { method, port, class, idle: Mutex::default(), book: book.clone() };
                running.spawn(at_rate(Arc::new(client), stop.clone()));
            }
            for number in 0..sockets::SOCKETS {
                running.spawn(sockets::stay(method, port, number, book.clone(), stop.clone()));
            }
        }
        Self { stop, running, book }
    }

    /// Sends nothing more, and waits for what is under way.
    pub async fn end(self) -> (Vec<Told>, Sockets) {
        self.stop.cancel();
        self.running.join_all().await;
        let told = std::mem::take(&mut *self.book.told.lock().unwrap_or_else(PoisonError::into_inner));
        let sockets = self.book.sockets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (told, sockets)
    }
}

struct Client {
    method: usize,
    port: u16,
    class: Class,
    /// The one used last is taken first.
    idle: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
    book: Arc<Book>,
}

async fn at_rate(client: Arc<Client>, stop: CancellationToken) {
    let every = Duration::from_secs_f64(1.0 / client.class.rate());
    // Environments do not all ask in the same moment.
    let mut due = Instant::now() + every.mul_f64(client.method as f64 / METHODS.len() as f64);
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            () = sleep_until(due) => {}
            () = stop.cancelled() => break,
        }
        let client = client.clone();
        under_way.spawn(async move {
            let outcome = match timeout_at(due + PATIENCE, client.ask()).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(why)) => Outcome::Failed(why),
                Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
            };
            client.book.note(client.class, client.method, due, outcome);
        });
        while under_way.try_join_next().is_some() {}
        due += every;
    }
    under_way.join_all().await;
}

impl Client {
    async fn ask(&self) -> Result<Outcome, String> {
        let (mut sender, what) = match self.take_idle() {
            Some(sender) => (sender, "kept connection"),
            None => (self.connect().await?, "new connection"),
        };
        let path = if self.class == Class::Slow { "/slow" } else { "/" };
        let mut request = Request::get(path).header("host", format!("127.0.0.1:{}", self.port));
        if self.class == Class::NewConnection {
            request = request.header("connection", "close");
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let answer =
            sender.send_request(request).await.map_err(|error| format!("{what}: no answer: {}", chain(&error)))?;
        let (status, is_on_purpose) = (answer.status(), answer.headers().contains_key(ON_PURPOSE));
        let body =
            answer.into_body().collect().await.map_err(|error| format!("{what}: half an answer: {}", chain(&error)))?;
        if self.class != Class::NewConnection {
            self.keep(sender).await;
        }
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        // The method's own app has to be the one that answers.
        match status.as_u16() {
            200 if text.split(' ').next() == Some(METHODS[self.method].word()) => Ok(Outcome::Good),
            500 if is_on_purpose => Ok(Outcome::OnPurpose),
            _ => Err(format!("{what}: {status} {text:?}")),
        }
    }

    /// One that the other side has not closed. Nothing is asked twice: what fails on it has failed.
    fn take_idle(&self) -> Option<SendRequest<Empty<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        idle.pop()
    }

    async fn keep(&self, mut sender: SendRequest<Empty<Bytes>>) {
        if sender.ready().await.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream =
            TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| format!("not connected: {error}"))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// An error with what caused it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
