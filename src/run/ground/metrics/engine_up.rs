//! Whether the engine answers, asked no more often than every few seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// An engine that takes longer counts as away.
const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Several scrapers ask it no more often than this.
const ENGINE_ASKED_EVERY: Duration = Duration::from_secs(5);

/// What was last known of the engine.
#[derive(Default)]
pub struct EngineUp(Mutex<Option<(Instant, bool)>>);

impl EngineUp {
    /// Whether it answers now, or did a few seconds ago.
    pub async fn ask(&self, engine: &Arc<dyn crate::engine::Engine>) -> bool {
        let mut known = self.0.lock().await;
        if let Some((at, up)) = *known
            && at.elapsed() < ENGINE_ASKED_EVERY
        {
            return up;
        }
        let up = matches!(tokio::time::timeout(ENGINE_ANSWERS_WITHIN, engine.info()).await, Ok(Ok(_)));
        *known = Some((Instant::now(), up));
        up
    }
}
