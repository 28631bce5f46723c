//! A connection from outside, while it lasts: what it is busy with, and since when with nothing.

use super::moments::{now_ms, since};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// One connection, as the gate sees it: what it is served, and since when it is silent or does not read.
pub struct Guest {
    /// Requests that it waits for an answer to, or whose answer it is being given; streams of its own, too.
    serving: AtomicU32,
    /// It has asked for something.
    has_asked: AtomicBool,
    /// Since when it has not been served.
    silent_since: AtomicU64,
    /// Pieces of answers of which nothing further can be taken until it reads.
    given: AtomicU32,
    /// When such a piece was last taken, or the first was given.
    taken: AtomicU64,
    /// Its place is wanted.
    to_leave: Notify,
}

/// It is served until this is dropped.
pub struct Serving(Arc<Guest>);

impl Guest {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            serving: AtomicU32::new(0),
            has_asked: AtomicBool::new(false),
            silent_since: AtomicU64::new(now_ms()),
            given: AtomicU32::new(0),
            taken: AtomicU64::new(0),
            to_leave: Notify::new(),
        })
    }

    /// It has asked for something, and is served until the answer is dropped.
    pub fn serving(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        Serving(self.clone())
    }

    /// It waits for something of ours, before it could ask.
    pub fn waiting(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(self.clone())
    }

    /// Whether it has ever asked for something.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// How many requests it is served at once.
    pub fn served_at_once(&self) -> u32 {
        self.serving.load(Ordering::Relaxed)
    }

    /// For how long it has asked for nothing; `None`: it is served.
    pub fn silent(&self) -> Option<Duration> {
        (self.served_at_once() == 0).then(|| since(self.silent_since.load(Ordering::Relaxed)))
    }

    pub(super) fn silent_since(&self) -> Option<u64> {
        (self.served_at_once() == 0).then(|| self.silent_since.load(Ordering::Relaxed))
    }

    pub(super) fn gave(&self) {
        if self.given.fetch_add(1, Ordering::Relaxed) == 0 {
            self.taken.store(now_ms(), Ordering::Relaxed);
        }
    }

    pub(super) fn took(&self) {
        self.taken.store(now_ms(), Ordering::Relaxed);
        self.given.fetch_sub(1, Ordering::Relaxed);
    }

    /// For how long nothing has been taken of the answers that it is given.
    pub fn unread(&self) -> Option<Duration> {
        (self.given.load(Ordering::Relaxed) > 0).then(|| since(self.taken.load(Ordering::Relaxed)))
    }

    pub(super) fn show_out(&self) {
        self.to_leave.notify_one();
    }

    /// Until its place is wanted by somebody else.
    pub async fn shown_out(&self) {
        self.to_leave.notified().await;
    }
}

impl Serving {
    /// Who is served.
    pub fn guest(&self) -> &Guest {
        &self.0
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.silent_since.store(now_ms(), Ordering::Relaxed);
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}
