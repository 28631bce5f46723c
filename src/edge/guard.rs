//! The first process of a front's container. It starts the one that serves, starts it again when it has ended, and holds
//! its listening sockets too: whoever connects in between waits in the kernel. Told to (SIGHUP), it starts the program of
//! `renewed.json`, which takes over from the one that serves.

use super::hand_over::{Offer, Offered, offer_at, wait_at_path};
use super::listening::Opened;
use crate::model::EdgeAddress;
use crate::process::{Signals, Told};
use anyhow::{Context, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::process::{Child, Command};

/// Where the process that serves lends its sockets, in the front's folder.
const SOCKET: &str = "guard.sock";
/// Which program is to run in place of the image's, in the front's folder.
pub const RENEWED: &str = "renewed.json";
/// `:8080=5,:9090=6`: sockets that are passed on, and under which numbers.
const SOCKETS: &str = "LAUNCHWAY_FRONT_SOCKETS";
/// What ends sooner than this after its start is started again only after a rest.
const SOON: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(500);
/// A renewed program that has ended so often soon after its start gives way to the image's own.
const MOST_QUICK_ENDS: u32 = 3;
/// How the folders of renewed programs begin, in the front's folder.
const PROGRAM: &str = "program-";
/// So long a process that was told to end may take, where the engine's grace for the container is not shorter.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// The program that a front is to run from now on, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    pub program: String,
    /// The whole command, with its arguments.
    pub command: Vec<String>,
}

/// Where a process that serves lends its sockets.
pub struct Lent {
    path: PathBuf,
}

impl Lent {
    pub fn at(folder: &Path) -> Self {
        Self { path: folder.join(SOCKET) }
    }

    /// These are all that it has. Without a guard there is nobody to lend to.
    pub fn lend(&self, sockets: Vec<(EdgeAddress, TcpListener)>) {
        if !self.path.exists() {
            return;
        }
        let (addresses, sockets): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        let lent = Offer { addresses, control: PathBuf::new() };
        if let Err(error) = offer_at(&self.path, &lent, &sockets) {
            tracing::warn!(error = %error, "The first process does not hold the sockets: a crash would refuse connections");
        }
    }
}

/// What the process was started with. Called once, at its start.
pub fn inherited() -> Vec<Opened> {
    let Ok(text) = std::env::var(SOCKETS) else { return Vec::new() };
    let pairs = text.split(',').filter_map(|pair| {
        let (address, number) = pair.rsplit_once('=')?;
        Some((address.parse::<EdgeAddress>().ok()?, number.parse::<i32>().ok()?))
    });
    // Standard input, output and error are never passed on, and stay whose they are.
    let opened = pairs.filter(|(_, number)| *number > 2).filter_map(|(address, number)| {
        // SAFETY: the guard has passed this descriptor on for this process alone, and this is called once.
        let socket = TcpListener::from(unsafe { OwnedFd::from_raw_fd(number) });
        fcntl_setfd(&socket, FdFlags::CLOEXEC).ok()?;
        socket.local_addr().is_ok().then_some(Opened { address, socket })
    });
    opened.collect()
}

type Held = Arc<Mutex<BTreeMap<EdgeAddress, TcpListener>>>;

/// Lasts until it is told to end. `command` is the image's own program, with its arguments; it serves.
pub async fn guard(folder: &Path, command: Vec<String>) -> Result<()> {
    let mut signals = Signals::listen()?;
    let held: Held = Held::default();
    let listener = wait_at_path(&folder.join(SOCKET)).context("cannot listen for lent sockets")?;
    listener.set_nonblocking(true)?;
    tokio::spawn(borrow(UnixListener::from_std(listener)?, held.clone()));
    let mut quick_ends = 0;
    let mut serving = start_surely(folder, &command, &held, quick_ends).await;
    // Those that were taken over from, and end by themselves.
    let mut before: Vec<Child> = Vec::new();
    let mut started = Instant::now();
    loop {
        tokio::select! {
            ended = serving.wait() => {
                tracing::error!(ended = ?ended, "What serves has ended, and is started again");
                quick_ends = if started.elapsed() < SOON { quick_ends + 1 } else { 0 };
                if quick_ends > 0 {
                    tokio::time::sleep(REST).await;
                }
                serving = start_surely(folder, &command, &held, quick_ends).await;
                started = Instant::now();
            }
            told = signals.next() => {
                if told == Told::End {
                    break;
                }
                before.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
                quick_ends = 0;
                match start(folder, &command, &held, quick_ends) {
                    Ok(new) => before.push(std::mem::replace(&mut serving, new)),
                    Err(error) => tracing::error!(error = %format!("{error:#}"), "Another program cannot be started; the one that serves goes on"),
                }
                started = Instant::now();
                forget_other_programs(folder);
            }
        }
    }
    drop(std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner)));
    before.push(serving);
    for child in &before {
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    for mut child in before {
        let _ = tokio::time::timeout(ENDS_WITHIN, child.wait()).await;
    }
    Ok(())
}

/// Tries until it succeeds: this process must not end, and what keeps it from starting another may pass.
async fn start_surely(folder: &Path, command: &[String], held: &Held, quick_ends: u32) -> Child {
    loop {
        match start(folder, command, held, quick_ends) {
            Ok(child) => return child,
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "What serves cannot be started, and is tried again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Programs of before, which nothing leads to any more.
fn forget_other_programs(folder: &Path) {
    let Some(renewed) = renewed(folder) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_used = renewed.command.iter().any(|word| word.contains(&name));
        if name.starts_with(PROGRAM) && !is_used {
            // One that still drains has its files open.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Starts the program of `renewed.json`, where it can be run and does not end again and again, else `command`.
fn start(folder: &Path, command: &[String], held: &Held, quick_ends: u32) -> Result<Child> {
    let renewed = renewed(folder).filter(|_| quick_ends < MOST_QUICK_ENDS).and_then(|renewed| {
        match spawn(&renewed.command, held) {
            Ok(child) => Some(child),
            Err(error) => {
                tracing::error!(error = %error, program = renewed.program, "The renewed program cannot be run");
                None
            }
        }
    });
    match renewed {
        Some(child) => Ok(child),
        None => spawn(command, held),
    }
}

fn spawn(command: &[String], held: &Held) -> Result<Child> {
    let (program, arguments) = command.split_first().context("there is no program to run")?;
    let held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let mut passed = Vec::new();
    let mut names = Vec::new();
    for (address, socket) in held.iter() {
        let socket = socket.try_clone()?;
        fcntl_setfd(&socket, FdFlags::empty())?;
        names.push(format!("{address}={}", socket.as_raw_fd()));
        passed.push(socket);
    }
    let mut command = Command::new(program);
    command.args(arguments).env_remove(SOCKETS);
    if !names.is_empty() {
        command.env(SOCKETS, names.join(","));
    }
    // What was passed on is closed here when this returns.
    command.spawn().with_context(|| format!("cannot run {program}"))
}

fn renewed(folder: &Path) -> Option<Renewed> {
    let text = std::fs::read(folder.join(RENEWED)).ok()?;
    match serde_json::from_slice(&text) {
        Ok(renewed) => Some(renewed),
        Err(error) => {
            tracing::error!(error = %error, "{RENEWED} is not understood; the program of the image serves");
            None
        }
    }
}

/// Holds what it is lent, in place of what it was lent before.
async fn borrow(listener: UnixListener, held: Held) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(stream) = stream.into_std() else { continue };
        let held = held.clone();
        let borrowed = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            let mut offered = Offered::receive(stream)?;
            let sockets = offered.sockets.drain(..).collect();
            *held.lock().unwrap_or_else(PoisonError::into_inner) = sockets;
            offered.taken()
        });
        if let Ok(Err(error)) = borrowed.await {
            tracing::warn!(error = %error, "Sockets could not be borrowed");
        }
    }
}
