//! `launchway up`: server and edge of one machine, each a process of its own, kept running.

use super::log::start_log;
use crate::config;
use crate::edge::EdgeClient;
use crate::process::{self, Signals};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A process that died is started again after this time, then after twice that, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that ran so long was well: what ends it is a new trouble.
const WAS_WELL: Duration = Duration::from_secs(60);
/// An edge of somebody else is looked at this often.
const STILL_THERE: Duration = Duration::from_secs(2);

/// Run server and edge together
///
/// Each is a process of its own; one that dies is started again. An edge that runs already is left alone.
#[derive(clap::Args)]
pub struct Args {
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

pub fn run(config_path: &Path, args: Args) -> Result<ExitCode> {
    start_log(args.log_json);
    let config = config::load(config_path)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let part = |name: &'static str| Part {
        name,
        program: program.clone(),
        config: config_path.to_path_buf(),
        log_json: args.log_json,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (tell, told) = watch::channel(Told::default());
        let signals = Signals::listen()?;
        let edge = config.edge.is_some().then(|| (part("edge"), EdgeClient::new(&config.data)));
        if edge.is_none() {
            tracing::info!(settings = %config_path.display(), "There is no [edge] in the settings: only the server runs");
        }
        let server = tokio::spawn(keep_running(part("serve"), None, told.clone()));
        let edge = edge.map(|(part, client)| tokio::spawn(keep_running(part, Some(client), told)));
        pass_on(signals, &tell).await;
        server.await?;
        if let Some(edge) = edge {
            edge.await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What the processes are told by signals that came here.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    end: bool,
    /// Counts up: read the settings again.
    hangups: u64,
}

struct Part {
    name: &'static str,
    program: PathBuf,
    config: PathBuf,
    log_json: bool,
}

impl Part {
    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).arg(self.name);
        if self.log_json {
            command.arg("--log-json");
        }
        // A Ctrl-C in the terminal comes to this process, which passes it on, and not twice.
        process::as_it_was(&mut command).process_group(0).spawn()
    }
}

/// Starts it again whenever it ends, until told to end. `running`: the edge of somebody else, which is left alone.
async fn keep_running(part: Part, running: Option<EdgeClient>, mut told: watch::Receiver<Told>) {
    let mut pause = FIRST_PAUSE;
    while !told.borrow().end {
        if let Some(client) = &running
            && let Ok(health) = client.health().await
            && !health.ending
        {
            tracing::info!(pid = health.pid, version = health.version, "An edge runs already; it is left alone");
            let gone = async {
                while client.health().await.is_ok_and(|health| !health.ending) {
                    sleep(STILL_THERE).await;
                }
            };
            tokio::select! {
                () = gone => {}
                () = told_to_end(&mut told) => return,
            }
        }
        let began = Instant::now();
        match part.start() {
            Ok(child) => match watch_over(&part, child, &mut told).await {
                Some(ended) if !told.borrow().end => {
                    tracing::error!(process = part.name, status = %ended, pause_ms = pause.as_millis() as u64, "A process ended; it is started again");
                }
                _ => return,
            },
            Err(error) => {
                tracing::error!(process = part.name, error = %error, pause_ms = pause.as_millis() as u64, "A process could not be started");
            }
        }
        if began.elapsed() >= WAS_WELL {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = told_to_end(&mut told) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Passes on what it is told, until it has ended.
async fn watch_over(part: &Part, mut child: Child, told: &mut watch::Receiver<Told>) -> Option<ExitStatus> {
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
    tracing::info!(process = part.name, pid = child.id(), "Started");
    let mut before = *told.borrow_and_update();
    loop {
        tokio::select! {
            ended = child.wait() => return ended.ok(),
            changed = told.changed() => {
                let now = *told.borrow_and_update();
                let signal = match (changed, now.end && !before.end) {
                    (Err(_), _) | (_, true) => rustix::process::Signal::TERM,
                    _ => rustix::process::Signal::HUP,
                };
                before = now;
                // One that has just ended needs no signal.
                let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
            }
        }
    }
}

async fn told_to_end(told: &mut watch::Receiver<Told>) {
    // The sender lives until all has ended.
    let _ = told.wait_for(|told| told.end).await;
}

/// Tells the processes what this one is told, until that is to end.
async fn pass_on(mut signals: Signals, tell: &watch::Sender<Told>) {
    while signals.next().await == process::Told::Renew {
        tell.send_modify(|told| told.hangups += 1);
    }
    tell.send_modify(|told| told.end = true);
}
