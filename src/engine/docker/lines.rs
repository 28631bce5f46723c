//! What a container wrote last.

use super::answer::in_path;
use super::connect::DockerEngine;
use crate::engine::EngineError;
use crate::model::{Lines, Mask, Quoted};
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;

/// A container may write one line of a gigabyte.
const MOST_BYTES: usize = 1 << 20;
/// A longer line is told in pieces, each of which has room in a line of the log behind the container's name.
const LONGEST_LINE: usize = 3_800;

impl DockerEngine {
    /// Oldest first, stdout and stderr as the engine kept them; an unfinished last line counts.
    pub(super) async fn lines(&self, container: &str, count: usize) -> Result<Vec<String>, EngineError> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).follow(false).build();
        let mut stream = Box::pin(self.client().logs(in_path(container)?, Some(options)));
        let read = async {
            let mut bytes = Vec::new();
            let mut is_cut = false;
            while let Some(piece) = stream.try_next().await? {
                bytes.extend_from_slice(&piece.into_bytes());
                if bytes.len() > 2 * MOST_BYTES {
                    bytes.drain(..bytes.len() - MOST_BYTES);
                    is_cut = true;
                }
            }
            // The rest of a line that was cut may begin in the middle of a secret.
            if is_cut && let Some(end) = bytes.iter().position(|byte| byte.is_ascii_whitespace()) {
                bytes.drain(..=end);
            }
            Ok(bytes)
        };
        let bytes = self.query(format!("read the log of container {container}"), read).await?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        Ok(lines.iter().skip(lines.len().saturating_sub(count)).map(|line| line.to_string()).collect())
    }

    /// Tells each line from the first on, as it is written, until the container ends.
    pub(super) async fn follow_lines(
        &self,
        container: &str,
        mask: &Mask,
        tell: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<(), EngineError> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("all").follow(true).build();
        let mut stream = Box::pin(self.client().logs(in_path(container)?, Some(options)));
        let (mut out, mut err) = (Lines::new(LONGEST_LINE), Lines::new(LONGEST_LINE));
        loop {
            // It may be silent for as long as it runs: whoever waits for its end sets the deadline.
            let next = stream.try_next().await.map_err(|error| EngineError::Refused {
                attempted: format!("follow the log of container {container}"),
                why: Quoted(error).to_string(),
            });
            let Some(piece) = next? else { break };
            let lines = if matches!(piece, LogOutput::StdErr { .. }) { &mut err } else { &mut out };
            lines.push(&piece.into_bytes(), mask, tell);
        }
        out.end(tell);
        err.end(tell);
        Ok(())
    }
}
