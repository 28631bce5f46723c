//! What the two sides of hyper tell each other past it: a client's connection (`client_wire`), and who answers (`forward`).

use super::refusal::Refusal;
use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Context;

/// Where a request leads that stands for one that was refused: no client can send this (`target`).
const REFUSED_PATH: &str = "/\u{100}";

/// Of one connection.
#[derive(Default)]
pub struct Aside {
    /// Why the last head was refused.
    refusal: Mutex<Option<Refusal>>,
    /// What became of a request to change the protocol: one of [`UNDECIDED`], [`CHANGED`], [`STAYS`].
    upgrade: AtomicU8,
    /// Who waits for that with something to read.
    reader: AtomicWaker,
    has_word: AtomicBool,
    words: Mutex<Vec<u8>>,
}

pub(super) const UNDECIDED: u8 = 0;
pub(super) const CHANGED: u8 = 1;
pub(super) const STAYS: u8 = 2;

impl Aside {
    /// The request with this path stands for one that was refused.
    pub fn refused(&self, path: &str) -> Option<Refusal> {
        if path != REFUSED_PATH {
            return None;
        }
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that was read last is answered; `changes`: to another protocol.
    pub fn answered(&self, changes: bool) {
        self.upgrade.store(if changes { CHANGED } else { STAYS }, Ordering::Release);
        self.reader.wake();
    }

    /// What became of a request that asks to change the protocol: [`UNDECIDED`], [`CHANGED`] or [`STAYS`].
    pub(super) fn became(&self) -> u8 {
        self.upgrade.load(Ordering::Acquire)
    }

    /// Such a request is under way.
    pub(super) fn await_answer(&self) {
        self.upgrade.store(UNDECIDED, Ordering::Release);
    }

    /// Wakes the reader once it is answered: what it has read by then nobody else wakes it for.
    pub(super) fn wait_for_answer(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
    }

    /// The next request stands for one that was refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// To be written before the next answer, as soon as the connection is looked at again.
    pub fn say(&self, word: &[u8]) {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(word);
        self.has_word.store(true, Ordering::Release);
    }

    /// What is to be written now; mostly nothing.
    pub(super) fn next_word(&self) -> Vec<u8> {
        if !self.has_word.load(Ordering::Relaxed) || !self.has_word.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.words.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
