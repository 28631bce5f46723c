//! A socket between Launchway and the engine that a story can cut: the engine is away, and comes back.

use launchway::build::EngineAddress;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// What a request meets at which the engine goes away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// The engine never hears of it.
    OfTheRequest,
    /// The engine carries it out, and nobody is told.
    OfTheAnswer,
}

pub struct EngineProxy {
    folder: tempfile::TempDir,
    line: Arc<Line>,
    _listening: tokio_util::task::AbortOnDropHandle<()>,
}

struct Line {
    address: EngineAddress,
    is_cut: watch::Sender<bool>,
    /// Requests that came since they were counted last.
    requests: AtomicUsize,
    /// Which of them is the last one, counted from 1.
    last: AtomicUsize,
    loses_answer: std::sync::atomic::AtomicBool,
}

impl EngineProxy {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let line = Arc::new(Line {
            address: EngineAddress::from_env().unwrap(),
            is_cut: watch::Sender::new(false),
            requests: AtomicUsize::new(0),
            last: AtomicUsize::new(usize::MAX),
            loses_answer: Default::default(),
        });
        let taken = line.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, taken.clone()));
            }
        });
        Self { folder, line, _listening: tokio_util::task::AbortOnDropHandle::new(listening) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// The line of `launchway.toml`.
    pub fn setting(&self) -> String {
        format!("engine = \"unix://{}\"\n", self.path().display())
    }

    /// Every connection ends in its middle, and new ones end at once.
    pub fn cut(&self) {
        self.line.is_cut.send_replace(true);
    }

    pub fn restore(&self) {
        self.line.last.store(usize::MAX, Ordering::SeqCst);
        self.line.is_cut.send_replace(false);
    }

    /// Begins to count requests again; at the `last` of them, counted from 1, it is cut.
    pub fn cut_at(&self, last: usize, loss: Loss) {
        self.line.loses_answer.store(loss == Loss::OfTheAnswer, Ordering::SeqCst);
        self.line.requests.store(0, Ordering::SeqCst);
        self.line.last.store(last, Ordering::SeqCst);
    }

    /// How many requests came since they were counted last.
    pub fn requests(&self) -> usize {
        self.line.requests.load(Ordering::SeqCst)
    }

    pub fn is_cut(&self) -> bool {
        *self.line.is_cut.borrow()
    }
}

async fn pass_on(client: UnixStream, line: Arc<Line>) {
    let mut cut = line.is_cut.subscribe();
    if *cut.borrow() {
        return;
    }
    let engine: std::io::Result<Box<dyn Both>> = match &line.address {
        EngineAddress::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Both>),
        EngineAddress::Tcp(address) => {
            TcpStream::connect(address).await.map(|stream| Box::new(stream) as Box<dyn Both>)
        }
    };
    let Ok(engine) = engine else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = split(engine);
    let asks = line.pass_requests(&mut from_client, &mut to_engine);
    let answers = async {
        let _ = copy(&mut from_engine, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::select! {
        _ = async { tokio::join!(asks, answers) } => {}
        _ = cut.wait_for(|is_cut| *is_cut) => {}
    }
}

impl Line {
    /// Whoever asks writes the head of each request at once, and the next one after the answer.
    async fn pass_requests(&self, client: &mut (impl AsyncRead + Unpin), engine: &mut (impl AsyncWrite + Unpin)) {
        let mut room = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = client.read(&mut room).await {
            let is_last = begins_request(&room[..size])
                && self.requests.fetch_add(1, Ordering::SeqCst) + 1 == self.last.load(Ordering::SeqCst);
            if is_last && !self.loses_answer.load(Ordering::SeqCst) {
                self.is_cut.send_replace(true);
                return;
            }
            if engine.write_all(&room[..size]).await.is_err() {
                return;
            }
            if is_last {
                // Long enough for the engine to begin; the answer may get through or not.
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.is_cut.send_replace(true);
                return;
            }
        }
        let _ = engine.shutdown().await;
    }
}

fn begins_request(bytes: &[u8]) -> bool {
    ["GET /", "POST /", "PUT /", "DELETE /", "HEAD /"].iter().any(|start| bytes.starts_with(start.as_bytes()))
}
