//! This program once more, as a process of its own that does one thing for the server: it is told what over its standard input,
//! and answers over its standard output ([`super::messages`]).

use super::messages::{decode, encode, length};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// What a dying process says is kept as far as this.
const LAST_WORDS: u64 = 4096;
/// How long one that is dying may take.
const BURIAL: Duration = Duration::from_secs(1);

/// A process that helps. Killed when this is dropped.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

/// How a helper ended that was to go on.
#[derive(Debug, PartialEq, Eq)]
pub struct HelperEnded {
    /// `was ended by signal 6`.
    pub how: String,
    /// Whether it ended of itself, with exit code 0.
    pub in_peace: bool,
    /// What it said last, as it was said: a stranger's input may be in it.
    pub last_line: Option<String>,
}

impl Helper {
    /// `program` with one argument, in a folder of its own that is made, with these variables and no others, and no descriptor
    /// but its pipes.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(
        program: &Path,
        argument: &str,
        folder: &Path,
        variables: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut command = Command::new(program);
        command
            .arg(argument)
            .env_clear()
            // What is reserved and never used would count as memory.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .envs(variables)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(errors)) => Ok(Self { child, input, output, errors }),
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    /// # Errors
    /// Where it has ended, or the message is too long.
    pub async fn tell(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.input.write_all(&encode(message)?).await?;
        self.input.flush().await
    }

    /// What it says next.
    ///
    /// # Errors
    /// Where it has ended, or says something else.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut prefix = [0; 4];
        self.output.read_exact(&mut prefix).await?;
        let mut bytes = vec![0; length(prefix)?];
        self.output.read_exact(&mut bytes).await?;
        decode(&bytes)
    }

    /// Sees to it that it has ended. `error` is why nothing more is to be had of it.
    pub async fn end(mut self, error: &io::Error) -> HelperEnded {
        // It closes its pipes a moment before it is gone; one that goes on all the same is killed.
        let gone = tokio::time::timeout(BURIAL, self.child.wait()).await;
        let status = match gone {
            Ok(status) => status.ok(),
            Err(_) => {
                let _ = self.child.kill().await;
                None
            }
        };
        let mut said = Vec::new();
        let _ = (&mut self.errors).take(LAST_WORDS).read_to_end(&mut said).await;
        HelperEnded::new(status, &String::from_utf8_lossy(&said), error)
    }
}

impl HelperEnded {
    /// How `who` ended, and its last line as `quoted` shows it.
    pub fn told(&self, who: &str, quoted: impl Fn(&str) -> String) -> String {
        let how = &self.how;
        match &self.last_line {
            Some(line) => format!("{who} {how}: {}", quoted(line)),
            None => format!("{who} {how}"),
        }
    }

    fn new(status: Option<ExitStatus>, said: &str, error: &io::Error) -> Self {
        let how = match status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was ended by signal {signal}"),
                (_, Some(code)) => format!("ended with exit code {code}"),
                _ => "ended".to_string(),
            },
            None => format!("did not answer ({error})"),
        };
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let last_line = lines.find(|line| !line.starts_with("note:")).map(str::to_string);
        Self { how, in_peace: status.is_some_and(|status| status.success()), last_line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_last_is_its_first_line_that_is_no_note() {
        let said = "note: run with\n\nthread 'main' panicked at wrong:\nmore\n";
        let ended = HelperEnded::new(None, said, &io::Error::other("wrong"));
        assert_eq!(ended.how, "did not answer (wrong)");
        assert_eq!(ended.last_line.as_deref(), Some("thread 'main' panicked at wrong:"));
        assert!(!ended.in_peace);
    }
}
