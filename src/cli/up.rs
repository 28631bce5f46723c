//! `launchway up`: server and edge of one machine, each a process of its own, kept running.

use super::log::start_log;
use super::serve;
use crate::config;
use crate::edge::{EdgeClient, Health};
use crate::process::{self, Signals};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A process that died is started again after this time, then after twice that, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that ran so long was well: what ends it is a new trouble.
const WAS_WELL: Duration = Duration::from_secs(60);
/// Held by the supervisor, whose process is noted in it, in the data directory.
const LOCK: &str = "up.lock";
/// The edge's process that was started last, in the data directory.
const EDGE_NOTE: &str = "up.edge";
/// A server whose supervisor died knows it by then.
const LEFT_SERVER_KNOWS: Duration = Duration::from_secs(1);
/// And has ended by then.
const LEFT_SERVER_ENDS: Duration = Duration::from_secs(60);
/// An edge of somebody else is looked at this often.
const STILL_THERE: Duration = Duration::from_secs(2);

/// Run server and edge together
///
/// Each is a process of its own; one that dies is started again. An edge that runs already is left alone. SIGTERM and Ctrl-C
/// end both; SIGUSR2 ends all but the edge, which serves on until the next `launchway up` takes it over.
#[derive(clap::Args)]
pub struct Args {
    /// Take over from the `launchway up` that runs: its edge hands its sockets over, and no request of an app is refused
    #[arg(long)]
    pub replace: bool,
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

/// Begins edge and server, and serves until a signal ends it.
///
/// # Errors
/// What keeps either of them from beginning.
pub fn run(config_path: &Path, args: Args) -> Result<ExitCode> {
    start_log(args.log_json);
    let config = config::load(config_path)?;
    serve::make_data_folder(&config.data)?;
    let _only = match args.replace {
        true => instead(&config.data)?,
        false => only_one(&config.data)?,
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let part = |name: &'static str| Part {
        name,
        program: program.clone(),
        config: config_path.to_path_buf(),
        log_json: args.log_json,
        ends_with_us: name == "serve",
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (tell, told) = watch::channel(Told::default());
        let signals = Signals::listen()?;
        let left = process::told_to_leave()?;
        let edge = config.edge.is_some().then(|| (part("edge"), EdgeClient::new(&config.data)));
        if edge.is_none() {
            tracing::info!(settings = %config_path.display(), "There is no [edge] in the settings: only the server runs");
        }
        let server = tokio::spawn(keep_running(part("serve"), None, told.clone()));
        let note = config.data.join(EDGE_NOTE);
        let edge = edge.map(|(part, client)| {
            let running = RunningEdge { left: left_edge(&note), client, note };
            tokio::spawn(keep_running(part, Some(running), told))
        });
        pass_on(signals, left, &tell).await;
        server.await?;
        if let Some(edge) = edge {
            edge.await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Two supervisors on one data directory would start each process twice, over and over.
fn only_one(data: &Path) -> Result<File> {
    let only = serve::lock_as(data, LOCK, "another `launchway up` runs on")?;
    // For who is to take over from this one.
    only.set_len(0)?;
    writeln!(&only, "{}", std::process::id())?;
    // A server without a supervisor, as `launchway serve` starts it. One that a dead supervisor left ends by itself: it takes
    // no connections any more, in a moment.
    let serves = || std::os::unix::net::UnixStream::connect(data.join(serve::SOCKET)).is_ok();
    let began = std::time::Instant::now();
    loop {
        match serve::lock(data) {
            Ok(free) => {
                drop(free);
                return Ok(only);
            }
            Err(error) if began.elapsed() > LEFT_SERVER_ENDS => return Err(error),
            Err(error) if began.elapsed() > LEFT_SERVER_KNOWS && serves() => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Tells the supervisor that runs, if one does, to leave its edge serving and to end, and takes its place once it has.
fn instead(data: &Path) -> Result<File> {
    let began = std::time::Instant::now();
    let mut is_told = false;
    loop {
        match only_one(data) {
            Err(error) if supervisor(data).is_none() && !is_told => return Err(error),
            Err(error) if began.elapsed() > LEFT_SERVER_ENDS => {
                return Err(error.context("the `launchway up` that runs was told to make way, and has not ended"));
            }
            Err(_) => {}
            taken => return taken,
        }
        if let (false, Some(pid)) = (is_told, supervisor(data)) {
            rustix::process::kill_process(pid, process::LEAVE).context("cannot tell the running `launchway up`")?;
            is_told = true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process that noted itself beside the lock, where that is a supervisor still.
fn supervisor(data: &Path) -> Option<rustix::process::Pid> {
    let pid: i32 = std::fs::read_to_string(data.join(LOCK)).ok()?.trim().parse().ok()?;
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    words.split(|byte| *byte == 0).any(|word| word == b"up").then(|| rustix::process::Pid::from_raw(pid))?
}

/// What the processes are told by signals that came here.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    end: bool,
    /// With `end`: the edge serves on, for the next supervisor.
    leave_edge: bool,
    /// Counts up: read the settings again.
    hangups: u64,
}

struct Part {
    name: &'static str,
    program: PathBuf,
    config: PathBuf,
    log_json: bool,
    /// It ends when this process does, however that ends. The edge serves on.
    ends_with_us: bool,
}

impl Part {
    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).arg(self.name);
        if self.ends_with_us {
            command.arg("--supervised").stdin(Stdio::piped());
        }
        if self.log_json {
            command.arg("--log-json");
        }
        // A Ctrl-C in the terminal comes to this process, which passes it on, and not twice.
        process::as_it_was(&mut command).process_group(0).spawn()
    }
}

/// How an edge is told apart that an earlier `up` left, when it was killed, from one of somebody else.
struct RunningEdge {
    client: EdgeClient,
    /// The process of the one that was left.
    left: Option<u32>,
    /// Where the process of the present one is noted.
    note: PathBuf,
}

impl RunningEdge {
    /// An edge of somebody else, which is left alone. What an earlier `up` left hands over to the edge that is started now.
    async fn of_somebody_else(&self) -> Option<Health> {
        let health = self.client.health().await.ok()?;
        (!health.ending && self.left != Some(health.pid)).then_some(health)
    }

    fn note(&self, pid: Option<u32>) {
        let Some(pid) = pid else { return };
        if let Err(error) = std::fs::write(&self.note, format!("{pid}\n")) {
            tracing::warn!(path = %self.note.display(), error = %error, "Which edge was started here cannot be noted");
        }
    }
}

fn left_edge(note: &Path) -> Option<u32> {
    std::fs::read_to_string(note).ok()?.trim().parse().ok()
}

/// Starts it again whenever it ends, until told to end. `running`: an edge that may run already.
async fn keep_running(part: Part, running: Option<RunningEdge>, mut told: watch::Receiver<Told>) {
    let mut pause = FIRST_PAUSE;
    while !told.borrow().end {
        if let Some(running) = &running
            && let Some(health) = running.of_somebody_else().await
        {
            tracing::info!(pid = health.pid, version = health.version, "An edge runs already; it is left alone");
            let gone = async {
                while running.of_somebody_else().await.is_some() {
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
            Ok(child) => match watch_over(&part, child, running.as_ref(), &mut told).await {
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
async fn watch_over(
    part: &Part,
    mut child: Child,
    running: Option<&RunningEdge>,
    told: &mut watch::Receiver<Told>,
) -> Option<ExitStatus> {
    running.iter().for_each(|running| running.note(child.id()));
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
    tracing::info!(process = part.name, pid = child.id(), "Started");
    // Closed when this process ends; waiting for the child would close it at once.
    let _stdin = child.stdin.take();
    let mut before = *told.borrow_and_update();
    loop {
        tokio::select! {
            ended = child.wait() => return ended.ok(),
            changed = told.changed() => {
                let now = *told.borrow_and_update();
                if now.end && now.leave_edge && !part.ends_with_us {
                    tracing::info!(process = part.name, pid = child.id(), "It serves on, until the next `launchway up` takes over");
                    return None;
                }
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

/// Tells the processes what this one is told, until that is to end, or to leave its edge to the next one.
async fn pass_on(mut signals: Signals, left: impl Future<Output = ()>, tell: &watch::Sender<Told>) {
    let mut left = std::pin::pin!(left);
    loop {
        let leave_edge = tokio::select! {
            told = signals.next() => match told {
                process::Told::End => false,
                process::Told::Renew => {
                    tell.send_modify(|told| told.hangups += 1);
                    continue;
                }
            },
            () = &mut left => true,
        };
        tell.send_modify(|told| (told.end, told.leave_edge) = (true, leave_edge));
        return;
    }
}
