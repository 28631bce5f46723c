//! One run of a hook: a process of its own group, with a time limit, whose output is told line by line.

use crate::model::{Lines, Mask};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// What a hook says beyond that is read and dropped: the log is for people.
const MOST_OUTPUT: usize = 256 * 1024;
/// A longer line is told in pieces.
const LONGEST_LINE: usize = 4_000;
/// The process ends: a hook that is under way gets this long to come to its end.
const WHEN_ENDING: Duration = Duration::from_secs(5);
/// How long the system may take to bury what was killed.
const BURIAL: Duration = Duration::from_secs(2);

/// Whether a hook is there and may be run.
pub enum Fitness {
    Absent,
    Fit,
    /// Why not, as part of a sentence.
    Unfit(String),
}

/// Looks at a hook's file: it must be executable, and nobody but its owner and group may change it or its folder.
pub fn fitness(path: &Path) -> Fitness {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fitness::Absent,
        Err(error) => return Fitness::Unfit(format!("it cannot be looked at: {error}")),
    };
    // The deployment's log is the author's to read, and says nothing of where things lie on the server.
    let name = path.file_name().unwrap_or_default().display();
    let is_for_everybody = |mode: u32| mode & 0o002 != 0;
    if !metadata.is_file() {
        return Fitness::Unfit("it is not a file".into());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Fitness::Unfit(format!("it is not executable (`chmod +x {name}` in the folder of hooks)"));
    }
    if is_for_everybody(metadata.permissions().mode()) {
        return Fitness::Unfit(format!("everybody may change it (`chmod o-w {name}` in the folder of hooks)"));
    }
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    match folder {
        Some(found) if is_for_everybody(found.permissions().mode()) => {
            Fitness::Unfit("everybody may change the folder of hooks (`chmod o-w .` in it)".into())
        }
        _ => Fitness::Fit,
    }
}

/// What is run.
pub struct HookRun {
    /// Absolute.
    pub path: PathBuf,
    pub variables: Vec<(&'static str, String)>,
    /// For its standard input.
    pub input: Vec<u8>,
    pub limit: Duration,
}

/// How it ended.
pub enum HookEnd {
    Exited(ExitStatus),
    /// It, or something that it started and that holds its output, went on for longer than the limit, and was killed.
    TooLong,
    /// The server ends, and did not wait any longer; it was killed.
    Interrupted,
    CannotStart(io::Error),
}

impl HookRun {
    /// It is over when it has exited and nothing that it started holds its output any more.
    pub async fn carry_out(
        self,
        stop: &CancellationToken,
        mask: &Mask,
        tell: &(dyn Fn(&str) + Send + Sync),
    ) -> HookEnd {
        let mut command = tokio::process::Command::new(&self.path);
        command.env_clear().envs(self.variables).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir(self.path.parent().unwrap_or(Path::new("/"))).process_group(0).kill_on_drop(true);
        let mut child = match crate::process::as_it_was(&mut command).spawn() {
            Ok(child) => child,
            Err(error) => return HookEnd::CannotStart(error),
        };
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ended = {
            let told = AtomicUsize::new(0);
            let work = async {
                let give = async {
                    if let Some(mut stdin) = stdin {
                        // Whoever does not read it has no use for it.
                        let _ = stdin.write_all(&self.input).await;
                    }
                };
                let (_, _, _, status) = tokio::join!(
                    give,
                    tell_lines(stdout, &told, mask, tell),
                    tell_lines(stderr, &told, mask, tell),
                    child.wait()
                );
                match status {
                    Ok(status) => HookEnd::Exited(status),
                    Err(error) => HookEnd::CannotStart(error),
                }
            };
            let server_ends = async {
                stop.cancelled().await;
                tokio::time::sleep(WHEN_ENDING).await;
            };
            tokio::select! {
                biased;
                ended = work => return ended,
                () = tokio::time::sleep(self.limit) => HookEnd::TooLong,
                () = server_ends => HookEnd::Interrupted,
            }
        };
        if let Some(group) = group {
            // Where nobody of it is left, there is nobody to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = tokio::time::timeout(BURIAL, child.wait()).await;
        ended
    }
}

/// Tells what comes, line by line, until its end or an error.
async fn tell_lines(
    from: Option<impl AsyncRead + Unpin>,
    told: &AtomicUsize,
    mask: &Mask,
    tell: &(dyn Fn(&str) + Send + Sync),
) {
    let Some(mut from) = from else { return };
    let mut lines = Lines::new(LONGEST_LINE);
    let mut piece = [0u8; 8192];
    let mut say = |line: &str| {
        let before = told.fetch_add(line.len() + 1, Ordering::Relaxed);
        if before < MOST_OUTPUT {
            tell(line);
            if before + line.len() + 1 >= MOST_OUTPUT {
                tell("(what it says from here on is not kept)");
            }
        }
    };
    loop {
        match from.read(&mut piece).await.unwrap_or(0) {
            0 => return lines.end(&mut say),
            read => lines.push(&piece[..read], mask, &mut say),
        }
    }
}

#[cfg(test)]
mod tests;
