//! What a container wrote last.

use super::answer::in_path;
use super::connect::DockerEngine;
use crate::engine::EngineError;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;

/// A container may write one line of a gigabyte.
const MOST_BYTES: usize = 1 << 20;

impl DockerEngine {
    /// Oldest first, stdout and stderr as the engine kept them; an unfinished last line counts.
    pub(super) async fn lines(&self, container: &str, count: usize) -> Result<Vec<String>, EngineError> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).follow(false).build();
        let mut stream = Box::pin(self.client().logs(in_path(container)?, Some(options)));
        let read = async {
            let mut bytes = Vec::new();
            while let Some(piece) = stream.try_next().await? {
                bytes.extend_from_slice(&piece.into_bytes());
                if bytes.len() > 2 * MOST_BYTES {
                    bytes.drain(..bytes.len() - MOST_BYTES);
                }
            }
            Ok(bytes)
        };
        let bytes = self.query(format!("read the log of container {container}"), read).await?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        Ok(lines.iter().skip(lines.len().saturating_sub(count)).map(|line| line.to_string()).collect())
    }
}
