//! `launchway serve`: receives deliveries and carries deployments out, until it is told to end.

use super::log;
use crate::build::{Builder, EngineAddress};
use crate::config::{self, Config};
use crate::connections::{Gate, Pace, Patience, Public, Room, Trusted, serve as serve_public};
use crate::engine::{DockerEngine, Engine, EngineError, Ownership};
use crate::forge::StatusClients;
use crate::process::{Signals, Told, memory_bytes, put_right, raise_file_limit};
use crate::run::{Deliveries, Deployer, Parts};
use crate::store::Store;
use crate::{receive, web};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

/// The control socket's name in the data directory.
pub const SOCKET: &str = "launchway.sock";
/// The settings, and the files that they name, are looked at this often for a change.
const LOOK_AT_SETTINGS: Duration = Duration::from_secs(2);

/// An engine that is away at the start is asked again this often.
const ENGINE_AGAIN: Duration = Duration::from_secs(10);

/// Forges and browsers ask as soon as they have connected. Proxies keep connections for a minute.
const PATIENCE: Patience =
    Patience { first: Duration::from_secs(10), idle: Duration::from_secs(75), unread: Duration::from_secs(30) };
/// Slower than any line that a page or a delivery is worth waiting for.
const PACE: Pace = Pace { grace: Duration::from_secs(10), bytes_per_second: 16 << 10 };
/// Connections of those that collect measures.
const FEW: usize = 128;

#[derive(clap::Args)]
pub struct Args {
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
    /// End with whoever holds the other end of standard input, as `launchway up` does.
    #[arg(long, hide = true)]
    pub supervised: bool,
}

/// Serves until a signal ends it.
///
/// # Errors
/// Settings, a store or a socket that cannot be used; the message says which.
pub fn run(config_path: &Path, args: Args) -> Result<ExitCode> {
    log::start_log(args.log_json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config_path, args.supervised))
}

async fn serve(config_path: &Path, supervised: bool) -> Result<ExitCode> {
    // First of all: a SIGHUP while it starts would end it.
    let signals = Signals::listen()?;
    let files = raise_file_limit();
    let config = Arc::new(config::load(config_path)?);
    log::hide(&config.secrets());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    make_data_folder(&config.data)?;
    let _lock = lock(&config.data)?;
    close_to_others(&config.data).await?;
    // Whoever asks while it starts waits for the answer.
    let socket = control_socket(&config.data)?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {} (`listen` in {}): another process may have the port",
            config.listen,
            config_path.display()
        )
    })?;
    let metrics_listener =
        match config.metrics {
            None => None,
            Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen on {address} (`metrics.listen` in {})", config_path.display())
            })?),
        };
    let store = Store::open(&config.data).await?;
    let ownership = Ownership::new(store.identity().await?.key);
    ownership.record(store.owned().await?);
    let engine = Arc::new(DockerEngine::connect(config.engine.as_deref())?.owned_by(ownership));
    let deployer = deployer(config.clone(), store, engine.clone()).await?;

    let intake = Arc::new(Deliveries::new(deployer.clone()));
    let public = receive::routes(intake, receive::Limits::default())?.merge(web::routes(deployer.clone()));
    let control = web::control(deployer.clone());
    deployer.tasks.spawn(clear_unfinished(engine, deployer.stop.clone()));
    deployer.follow_settings(std::path::absolute(config_path)?);
    deployer.count_what_it_died_of().await?;
    deployer.start();
    let stop = deployer.stop.clone();
    let control = axum::serve(socket, control).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    let mut servers = vec![
        tokio::spawn(serve_public(listener, public, public_limits(&config, files), stop.clone())),
        tokio::spawn(async { drop(control.await) }),
    ];
    if let Some(listener) = metrics_listener {
        let metrics = web::metrics_routes(deployer.clone());
        let limits = Public { gate: Gate::new(Room::of(FEW), Trusted::default()), ..public_limits(&config, files) };
        servers.push(tokio::spawn(serve_public(listener, metrics, limits, stop.clone())));
    }
    tracing::info!(
        listen = %config.listen, public_url = config.public_url, data = %config.data.display(),
        projects = config.projects.len(), "Launchway is ready"
    );
    until_told_to_end(&deployer, signals, supervisor_gone(supervised)).await;
    tracing::info!("Launchway ends; what runs goes on at the next start");
    deployer.end().await;
    for server in servers {
        // Connections that hang are cut: the process ends now.
        let _ = tokio::time::timeout(Duration::from_secs(2), server).await;
    }
    let _ = std::fs::remove_file(config.data.join(SOCKET));
    Ok(ExitCode::SUCCESS)
}

/// What strangers may cost the receiver and the pages. A guest takes one file; as many again stay for deployments.
fn public_limits(config: &Config, files: usize) -> Public {
    Public {
        gate: Gate::new(Room::within(files, 2, memory_bytes()), Trusted::new(&config.trusted_proxies)),
        patience: PATIENCE,
        pace: PACE,
    }
}

async fn deployer(config: Arc<Config>, store: Store, engine: Arc<DockerEngine>) -> Result<Arc<Deployer>> {
    let address = match &config.engine {
        Some(text) => EngineAddress::parse(text),
        None => EngineAddress::from_env(),
    };
    let address = address.map_err(anyhow::Error::msg)?;
    let builder = Builder::new(engine.docker(), address);
    match engine.info().await {
        Ok(info) => tracing::info!(
            engine.version = info.version,
            engine.api = info.api,
            engine.platform = info.platform,
            "The engine answers"
        ),
        Err(error) => {
            tracing::warn!(error = error.with_place(), "The engine does not answer yet; deployments wait for it")
        }
    }
    // What this process runs, also where the file has been replaced since.
    let program = PathBuf::from("/proc/self/exe");
    let parts = Parts { config, store, engine, builder, status_clients: StatusClients::new()?, program };
    let deployer = Deployer::new(parts)?;
    // Before anything is said of an environment.
    deployer.masks.tell(Box::new(log::hide_by));
    deployer.learn_masks().await;
    Ok(deployer)
}

/// Takes away what earlier processes left of volumes that they did not fill to the end.
async fn clear_unfinished(engine: Arc<DockerEngine>, stop: CancellationToken) {
    let cleared = async {
        loop {
            match engine.clear_unfinished().await {
                Err(EngineError::Unavailable { .. }) => tokio::time::sleep(ENGINE_AGAIN).await,
                cleared => return cleared,
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        cleared = cleared => match cleared {
            Ok(volumes) if volumes.is_empty() => {}
            Ok(volumes) => tracing::info!(volumes = volumes.join(", "), "Volumes that were not filled to the end are removed"),
            Err(error) => tracing::warn!(error = %error, "Volumes that were not filled to the end could not be removed"),
        },
    }
}

pub(super) fn make_data_folder(data: &Path) -> Result<()> {
    // It holds secrets of environments and pages' keys: for nobody else.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot create the data directory {} (`data` in launchway.toml)", data.display()))
}

/// What an earlier version made, or somebody put there, may be open to other users of this machine.
async fn close_to_others(data: &Path) -> Result<()> {
    let folder = data.to_path_buf();
    let done = tokio::task::spawn_blocking(move || put_right(&folder)).await?;
    if done.changed > 0 {
        tracing::info!(files = done.changed, data = %data.display(), "Files that others could read are closed to them");
    }
    for (path, error) in done.failed {
        tracing::warn!(path = %path.display(), error = %error, "A file in the data directory cannot be closed to others");
    }
    Ok(())
}

/// Two servers on one data directory would deploy everything twice.
pub(super) fn lock(data: &Path) -> Result<File> {
    lock_as(data, "launchway.lock", "another Launchway serves")
}

/// Takes a lock that is free once this process has ended, however it does. `who` has it where somebody else does.
pub(super) fn lock_as(data: &Path, name: &str, who: &str) -> Result<File> {
    let path = data.join(name);
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("{who} the data directory {}", data.display())
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn control_socket(data: &Path) -> Result<UnixListener> {
    let path = data.join(SOCKET);
    // The lock is ours, so a socket that is there is what a crash left.
    if path.exists() {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove the stale {}", path.display()))?;
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Fires once the supervisor has ended, however it did; never where there is none.
fn supervisor_gone(supervised: bool) -> CancellationToken {
    let gone = CancellationToken::new();
    if supervised {
        let gone = gone.clone();
        // A thread of its own, as nothing can end a read of standard input.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            gone.cancel();
        });
    }
    gone
}

async fn until_told_to_end(deployer: &Arc<Deployer>, mut signals: Signals, supervisor_gone: CancellationToken) {
    loop {
        tokio::select! {
            () = supervisor_gone.cancelled() => {
                tracing::warn!("`launchway up`, which runs this server, has ended");
                return;
            }
            told = signals.next() => match told {
                Told::End => return,
                Told::Renew => deployer.read_settings_anew().await,
            },
            () = tokio::time::sleep(LOOK_AT_SETTINGS) => drop(deployer.fresh_config().await),
        }
    }
}
