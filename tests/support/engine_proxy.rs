//! A socket between Launchway and the engine that a story can cut: the engine is away, and comes back.

use launchway::build::EngineAddress;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

pub struct EngineProxy {
    folder: tempfile::TempDir,
    is_cut: watch::Sender<bool>,
    _listening: tokio_util::task::AbortOnDropHandle<()>,
}

impl EngineProxy {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let address = Arc::new(EngineAddress::from_env().unwrap());
        let (is_cut, cut) = watch::channel(false);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, address.clone(), cut.clone()));
            }
        });
        Self { folder, is_cut, _listening: tokio_util::task::AbortOnDropHandle::new(listening) }
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
        self.is_cut.send_replace(true);
    }

    pub fn restore(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn pass_on(mut client: UnixStream, address: Arc<EngineAddress>, mut cut: watch::Receiver<bool>) {
    if *cut.borrow() {
        return;
    }
    let engine: std::io::Result<Box<dyn Both>> = match &*address {
        EngineAddress::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Both>),
        EngineAddress::Tcp(address) => {
            TcpStream::connect(address).await.map(|stream| Box::new(stream) as Box<dyn Both>)
        }
    };
    let Ok(mut engine) = engine else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut engine) => {}
        _ = cut.wait_for(|is_cut| *is_cut) => {}
    }
}
