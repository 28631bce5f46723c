//! How long a guest may be silent, and how long it may leave unread what it asked for.

use super::guest::Guest;
use super::wire::Watch;
use std::time::Duration;
use tokio::time::sleep;

/// Longer than anything waits, and short enough for every clock.
const NEVER: Duration = Duration::from_secs(30 * 24 * 3600);
const SHORTEST_LOOK: Duration = Duration::from_millis(50);

/// How long a guest may be silent, or leave unread what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the connection to the end of its first request's head.
    pub first: Duration,
    /// From an answer to the end of the next request's head.
    pub idle: Duration,
    /// While bytes wait to be taken, and none of them is.
    pub unread: Duration,
}

/// Why a guest has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It asks for nothing.
    Silent,
    /// It does not read what it asked for.
    DoesNotRead,
}

impl Patience {
    /// A time that is never over: 30 days.
    pub const NEVER: Duration = NEVER;

    /// Returns when the guest's time is over.
    pub async fn overdue(&self, guest: &Guest, watch: &Watch) -> Overdue {
        loop {
            let waited = waited(guest, watch);
            if waited.is_some_and(|waited| waited >= self.unread) {
                watch.cut_off();
                return Overdue::DoesNotRead;
            }
            let silence = if guest.has_asked() { self.idle } else { self.first };
            let left = match guest.silent() {
                // What is left of an answer may still be on its way.
                Some(silent) if silent >= silence && waited.is_none() => return Overdue::Silent,
                Some(silent) => silence.saturating_sub(silent),
                None => NEVER,
            };
            let unread = waited.map_or(self.unread, |waited| self.unread.saturating_sub(waited));
            sleep(left.min(unread).max(SHORTEST_LOOK)).await;
        }
    }
}

/// For how long bytes have waited for it: at its socket, or, where it has several answers at once, in one of those.
pub(super) fn waited(guest: &Guest, watch: &Watch) -> Option<Duration> {
    watch.waited().max(guest.unread())
}
