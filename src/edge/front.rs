//! A front: the edge once more, in a small container of its own inside an environment. It owns a component's name there
//! and leads its callers to the replicas that are ready. Who may command its engine tells it its routes, through
//! `connect` in its container.
//!
//! The container's first process serves nothing: it keeps the one that does alive, so that the container, and with it the
//! address that callers know, outlives a crash; and it has a new program take over from the old one.

use super::client::SOCKET;
use super::guard::{self, Lent};
use super::own_addresses;
use super::process;
use crate::model::EdgeSettings;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Where a front is told how it is set up, in its folder.
pub const SETTINGS: &str = "settings.json";
/// More would not be quicker for what one component gets, and each takes memory.
const MOST_WORKERS: usize = 2;

/// Longer than anything waits, and short enough for every clock.
const NEVER: Duration = Duration::from_secs(30 * 24 * 3600);

/// A caller inside may open connections before it needs them, and read slowly what it asked for.
const SILENT_INSIDE: Duration = Duration::from_secs(300);

/// How a front is set up, as a file in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontSettings {
    pub hold_ms: u64,
    pub hold_most: usize,
    pub connect_timeout_ms: u64,
    /// How long a caller may say nothing before its first request, and leave unread what it asked for. Those of before did
    /// not say.
    #[serde(default = "silent_inside_ms")]
    pub silent_ms: u64,
}

fn silent_inside_ms() -> u64 {
    ms(SILENT_INSIDE)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl FrontSettings {
    pub fn of(settings: &EdgeSettings) -> Self {
        Self {
            hold_ms: ms(settings.hold),
            hold_most: settings.hold_most,
            connect_timeout_ms: ms(settings.connect_timeout),
            silent_ms: silent_inside_ms(),
        }
    }

    fn settings(&self) -> EdgeSettings {
        EdgeSettings {
            listen: Vec::new(),
            hold: Duration::from_millis(self.hold_ms),
            hold_most: self.hold_most,
            // Who has handed over goes on with its connections to their own ends; a container that is stopped has its grace.
            drain: NEVER,
            // How long an answer may take is between a component and its caller.
            answer_timeout: NEVER,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            head_timeout: Duration::from_millis(self.silent_ms),
            unread_timeout: Duration::from_millis(self.silent_ms),
            inside: true,
            ..EdgeSettings::default()
        }
    }
}

/// Serves until it is told to end, or another program has taken over. `folder` is the front's own, and outlives its
/// container's restarts.
pub async fn run(folder: &Path, program: String) -> Result<()> {
    let settings = match std::fs::read(folder.join(SETTINGS)) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{SETTINGS} is not understood"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => FrontSettings::of(&EdgeSettings::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {SETTINGS}")),
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let moved_ms = own_addresses::note(folder, process::now_ms());
    let front = process::Front { program, moved_ms, inherited: guard::inherited(), lent: Lent::at(folder) };
    process::serve(settings.settings(), folder, workers, Some(front)).await
}

/// Joins standard input and output to the control socket of the front in whose container it runs.
pub async fn connect(folder: &Path) -> Result<()> {
    let path: PathBuf = folder.join(SOCKET);
    let mut socket =
        UnixStream::connect(&path).await.with_context(|| format!("nobody listens on {}", path.display()))?;
    let mut here = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    tokio::io::copy_bidirectional(&mut here, &mut socket).await?;
    Ok(())
}
