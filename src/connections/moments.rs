//! Moments as numbers, which fit into an atomic.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds since this process first asked, and never 0.
pub fn now_ms() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}

/// How long ago that was.
pub fn since(moment: u64) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(moment))
}
