//! What the outbox sends next, what it leaves out, and when it tries again. The store keeps the entries, the sending
//! loop asks here.
//!
//! - Entries of a commit and context go out in the order in which they were said.
//! - A pending is only worth sending while it is the newest thing said of its commit and context: anything newer, sent
//!   or not, makes it stale, and it is dropped. So one unsent pending is kept at most, and a forge that was away for an
//!   hour gets no history.
//! - A final is never dropped. It leaves the outbox sent, or refused for good.

use crate::model::{CommitId, OutboxEntry as Entry, PostError, ProjectName};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Pendings that became stale: to be removed, unsent.
    pub drop: Vec<i64>,
    /// To be sent side by side, finals first. At most one for a project and commit: forges keep no order among calls
    /// that overlap, and GitLab refuses them.
    pub send: Vec<i64>,
    /// When to look again at the latest, unless something ends or is said before; absent where nothing waits for a time.
    pub look_again: Option<Timestamp>,
}

/// Decides over everything in the outbox, in whatever order it comes.
pub fn round(entries: &[Entry], now: Timestamp) -> Round {
    let mut round = Round::default();
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.id);

    let mut newest: HashMap<Subject<'_>, i64> = HashMap::new();
    for entry in &sorted {
        newest.insert(subject(entry), entry.id);
    }
    // What is being sent keeps its commit busy, stale or not.
    let mut busy: HashSet<(&ProjectName, &CommitId)> =
        sorted.iter().filter(|entry| entry.sending).map(|entry| lane(entry)).collect();

    // The first of each commit and context is next; the others wait behind it, however long it is put off.
    let mut seen: HashSet<Subject<'_>> = HashSet::new();
    let mut next: Vec<&Entry> = Vec::new();
    for entry in sorted {
        if entry.sending {
            seen.insert(subject(entry));
        } else if is_stale(entry, &newest) {
            round.drop.push(entry.id);
        } else if seen.insert(subject(entry)) {
            next.push(entry);
        }
    }
    next.sort_by_key(|entry| (!entry.status.state.is_final(), entry.id));
    for entry in next {
        if entry.not_before > now {
            round.look_again = Some(round.look_again.map_or(entry.not_before, |at| at.min(entry.not_before)));
        } else if busy.insert(lane(entry)) {
            round.send.push(entry.id);
        }
    }
    round
}

/// Whether a failed pending is still worth another try: `later` are those said after it of the same commit and context.
fn is_stale(entry: &Entry, newest: &HashMap<Subject<'_>, i64>) -> bool {
    !entry.status.state.is_final() && newest.get(&subject(entry)).is_some_and(|id| *id > entry.id)
}

type Subject<'a> = (&'a ProjectName, &'a CommitId, &'a str);

fn subject(entry: &Entry) -> Subject<'_> {
    (&entry.project, &entry.status.commit, &entry.status.context)
}

fn lane(entry: &Entry) -> (&ProjectName, &CommitId) {
    (&entry.project, &entry.status.commit)
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Put off by `after`. `tell_operator`: somebody must do something before it can work.
    Again { after: Duration, tell_operator: bool },
    /// It can never work: to be removed and told to the operator.
    GiveUp,
}

/// A final that is refused is tried this often, over some minutes: a commit that is pending for ever is worse, and
/// forges have refused for a moment what they took later (GitHub knows a commit just pushed only after a while).
const REFUSED_FINAL: u32 = 8;

/// `attempts` counts this failure too; `jitter` is chance between 0.0 and 1.0.
pub fn after_failure(error: &PostError, is_final: bool, attempts: u32, jitter: f64) -> Next {
    match error {
        PostError::Retry { after, .. } => {
            Next::Again { after: backoff(attempts, *after, jitter), tell_operator: false }
        }
        PostError::Denied { .. } => Next::Again { after: slow_backoff(attempts, jitter), tell_operator: true },
        PostError::Refused { .. } if is_final && attempts < REFUSED_FINAL => {
            Next::Again { after: backoff(attempts, None, jitter), tell_operator: false }
        }
        PostError::Refused { .. } => Next::GiveUp,
    }
}

/// The time at which an entry is due again.
pub fn due(now: Timestamp, after: Duration) -> Timestamp {
    SignedDuration::try_from(after).ok().and_then(|after| now.checked_add(after).ok()).unwrap_or(Timestamp::MAX)
}

const LONGEST: Duration = Duration::from_secs(600);
/// No forge asks for more than an hour; a header that does is a mistake, and a status must not wait for ever for it.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// A second, doubling to ten minutes, up to a quarter less by chance. What the forge asked for is never undercut; it is
/// taken at its word also after many failures, but for a minute, in case it asks for nothing again and again.
pub fn backoff(attempt: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let own = doubling(Duration::from_secs(1), attempt, LONGEST).mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0));
    let Some(asked) = asked else { return own };
    let asked = asked.min(LONGEST_ASKED);
    // All that waited for the same reset shall not come in the same instant.
    let spread = asked.mul_f64(0.1 * jitter.clamp(0.0, 1.0)).min(Duration::from_secs(30));
    (asked + spread).max(own.min(Duration::from_secs(60)))
}

/// For what a person must put right: a minute, doubling to four hours.
pub fn slow_backoff(attempt: u32, jitter: f64) -> Duration {
    doubling(Duration::from_secs(60), attempt, Duration::from_secs(4 * 3600))
        .mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
}

fn doubling(first: Duration, attempt: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests;
