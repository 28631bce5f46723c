//! The edge as a process: its lock, its sockets, its threads, its end.

use super::client::{EdgeClient, SOCKET};
use super::control::{self, Control};
use super::disk::{Disk, Read};
use super::guard::Lent;
use super::hand_over::{self, Offered};
use super::keeper::{Keeper, Table};
use super::listening::{Listeners, Opened};
use super::live::Probed;
use super::state::Edge;
use super::succession::Succession;
use super::{accept, probe};
use crate::connections::relieve;
use crate::model::EdgeSettings;
use crate::process::{Signals, put_right, raise_file_limit};
use anyhow::{Context, Result, bail};
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::UnixListener;

const SWEEP: Duration = Duration::from_millis(250);
/// An edge that has handed over lets go of the lock at once.
const LET_GO: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// An address that could not be opened is tried again this often.
const OPEN_AGAIN: Duration = Duration::from_secs(3);

/// What is a front's own.
pub(super) struct Front {
    /// Which program it says it runs.
    pub program: String,
    /// When it lost an address of its own.
    pub moved_ms: Option<i64>,
    /// Sockets that were open before it began.
    pub inherited: Vec<Opened>,
    pub lent: Lent,
}

/// Unix time in milliseconds.
pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Serves until it is told to end, and then until what is in flight is done or the drain is over.
pub async fn run(settings: EdgeSettings, data: &Path) -> Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    serve(settings, data, workers, None).await
}

/// The same, also as a front.
pub(super) async fn serve(settings: EdgeSettings, data: &Path, workers: usize, front: Option<Front>) -> Result<()> {
    let mut signals = Signals::listen()?;
    let folder = data.join("edge");
    // It says who is served where: for nobody else.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {} (`data` in launchway.toml)", folder.display()))?;
    let mut lock = lock(data)?;
    let offered = match &lock {
        Some(_) => None,
        None => Some(take_over(data, &folder).await?),
    };
    let files = raise_file_limit();
    let closing = folder.clone();
    tokio::task::spawn_blocking(move || put_right(&closing)).await?;
    let disk = Disk::new(folder.clone());
    let (table, probed) = kept(&disk)?;

    let edge = Arc::new(Edge::new(settings, workers, files));
    let running = (0..workers).map(|index| accept::start(edge.clone(), index)).collect::<std::io::Result<Vec<_>>>()?;
    let (tells, threads): (Vec<_>, Vec<_>) = running.into_iter().map(|one| (one.listens, one.thread)).unzip();
    let listeners = Listeners::new(tells, edge.ending.clone());
    let components = table.len();
    let (program, moved_ms, inherited, lent) = match front {
        Some(front) => (Some(front.program), front.moved_ms, front.inherited, Some(front.lent)),
        None => (None, None, Vec::new(), None),
    };
    let keeper = Arc::new(Keeper::new(edge.clone(), disk, (table, probed), listeners, lent));
    let succession = Succession::new(folder);
    if let Some(mut offered) = offered {
        for (address, socket) in offered.sockets.drain(..) {
            keeper.adopt(Opened { address, socket }).await;
        }
        succession.follows(offered.control.clone());
        offered.taken().context("the running edge did not hear that its sockets were taken over")?;
        lock = Some(lock_when_free(data).await?);
    }
    // After a crash: whoever has connected since waits in them. Those of an edge that runs are the same sockets.
    for opened in inherited {
        keeper.adopt(opened).await;
    }
    keeper.open_missing().await;
    keeper.lend().await;

    let since = now_ms();
    let control =
        Arc::new(Control { edge: edge.clone(), keeper: keeper.clone(), since, succession, program, moved_ms });
    let socket = control_socket(data)?;
    let asked = control.clone();
    let background = [
        tokio::spawn(async move {
            if let Err(error) = axum::serve(socket, control::routes(asked)).await {
                tracing::error!(error = %error, "The control socket has ended");
            }
        }),
        tokio::spawn(probe::ask_all(edge.clone(), keeper.clone())),
        tokio::spawn(keep_in_order(edge.clone(), keeper.clone())),
        tokio::spawn(relieve(edge.gate.clone())),
    ];
    tracing::info!(components, workers, data = %data.display(), "The edge is ready");
    let handed_over = tokio::select! {
        () = signals.told_to_end() => false,
        () = control.succession.handed_over() => true,
    };
    tracing::info!(
        handed_over,
        drain_s = edge.settings.drain.as_secs(),
        "The edge ends when what is in flight is done"
    );
    if handed_over {
        // Its successor has the control socket from now on.
        background.iter().for_each(|task| task.abort());
        drop(lock.take());
    }
    // In this order: each address is closed by the worker that has taken its last connection.
    keeper.close_all().await;
    edge.ending.cancel();
    // On a thread of its own: the control socket goes on to tell what is in flight.
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await?;
    background.iter().for_each(|task| task.abort());
    let socket = if handed_over { control.succession.control_path() } else { data.join(SOCKET) };
    let _ = std::fs::remove_file(socket);
    tracing::info!("The edge has ended");
    Ok(())
}

/// What was served before. A file that is not understood is no reason not to serve what is told from now on.
fn kept(disk: &Disk) -> Result<(Table, Probed)> {
    match disk.read()? {
        Read::Nothing => Ok(Default::default()),
        Read::Routes(table, probed) => Ok((table, probed)),
        Read::Broken { why, aside } => {
            tracing::error!(
                file = %disk.path().display(), error = why, aside = %aside.display(),
                "The routes of before are not understood and lie aside; the edge starts without routes, until `launchway serve` sets them again"
            );
            Ok(Default::default())
        }
    }
}

async fn keep_in_order(edge: Arc<Edge>, keeper: Arc<Keeper>) {
    let mut opened = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(SWEEP).await;
        edge.sweep();
        if opened.elapsed() >= OPEN_AGAIN && !edge.ending.is_cancelled() {
            keeper.open_missing().await;
            opened = tokio::time::Instant::now();
        }
    }
}

/// Two edges on one data directory would each serve what the other is told. `None`: another one serves it.
fn lock(data: &Path) -> Result<Option<File>> {
    let path = data.join("edge.lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Asks the edge that runs for its sockets. Until they are taken, it serves.
async fn take_over(data: &Path, folder: &Path) -> Result<Offered> {
    let failed = || format!("another edge serves the data directory {}, and did not hand over", data.display());
    let listener = hand_over::wait_at(folder).with_context(failed)?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let client = EdgeClient::new(data);
    // Answered only when all is done; that it refuses comes earlier.
    let asked = async move {
        match client.hand_over().await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    };
    let refused = tokio::spawn(asked);
    let stream = tokio::select! {
        accepted = listener.accept() => accepted.with_context(failed)?.0.into_std()?,
        error = refused => return Err(error?).with_context(failed),
    };
    tokio::task::spawn_blocking(move || Offered::receive(stream)).await?.with_context(failed)
}

async fn lock_when_free(data: &Path) -> Result<File> {
    let end = tokio::time::Instant::now() + LET_GO;
    loop {
        if let Some(lock) = lock(data)? {
            return Ok(lock);
        }
        if tokio::time::Instant::now() >= end {
            bail!("the edge of before does not let go of the data directory {}", data.display());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn control_socket(data: &Path) -> Result<UnixListener> {
    let path = data.join(SOCKET);
    // The lock is ours, so a socket that is there is what a crash left.
    if path.exists() {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove the stale {}", path.display()))?;
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}
