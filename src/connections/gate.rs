//! How many guests there are at once: in all, by kind, and, while places are scarce, by address.
//!
//! A place is never refused for the sake of somebody who says nothing, or reads nothing: that one leaves.

use super::caller::Trusted;
use super::guest::Guest;
use super::moments::now_ms;
use super::patience::waited;
use super::wire::Watch;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a guest may cost: what waits for one that does not read, and what is kept of one that says nothing, less.
const BYTES_EACH: u64 = 64 * 1024;
/// The guests of a process take at most this part of the memory that there is.
const PART_OF_MEMORY: u64 = 2;
/// Files that are nobody's connection, at least: the control socket, the engine's, the store's, the logs', and what lies idle.
const FILES_KEPT_BACK: usize = 512;
const FEWEST: usize = 64;
const MOST: usize = 1 << 16;
/// Whoever has left bytes unread for so long may have to leave when places are scarce.
const UNREAD: Duration = Duration::from_millis(500);
/// When nobody could be shown out, it is not tried again so soon: it takes a look at everybody.
const LOOK_AGAIN_MS: u64 = 50;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Guests at once, and what else counts as one.
    pub most: usize,
    /// From so many on, places are scarce.
    pub scarce_from: usize,
    /// So many of one address then, at most.
    pub each: usize,
}

impl Room {
    /// Room for so many (64 at least, 65,536 at most): scarce from half of them, and an eighth for each address then.
    pub fn of(most: usize) -> Self {
        let most = most.clamp(FEWEST, MOST);
        Self { most, scarce_from: most / 2, each: (most / 8).max(8) }
    }

    /// What fits into this many files, `files_each` for each guest, and into a part of the memory. Half of the files stay
    /// for other things where there are only a few.
    pub fn within(files: usize, files_each: usize, memory_bytes: Option<u64>) -> Self {
        let kept_back = FILES_KEPT_BACK.max(files / 8).min(files / 2);
        let by_files = (files - kept_back) / files_each.max(1);
        let by_memory = memory_bytes.map_or(MOST as u64, |bytes| bytes / PART_OF_MEMORY / BYTES_EACH);
        Self::of(by_files.min(usize::try_from(by_memory).unwrap_or(MOST)))
    }
}

/// The log says at most this often that there is no place.
const TELL_EVERY_MS: u64 = 60_000;

/// What the silence of a guest means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It asks, and is answered: one that does not ask waits for nothing.
    Asks,
    /// Its silence says nothing.
    Open,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

/// Who is let in: so many guests at once, and when places are scarce, so many of each address.
pub struct Gate {
    room: Room,
    trusted: Trusted,
    guests: Mutex<Guests>,
    /// What counts beside the guests: further requests of theirs.
    more: AtomicUsize,
}

#[derive(Default)]
struct Guests {
    next: u64,
    present: HashMap<u64, Present>,
    by_address: HashMap<IpAddr, usize>,
    open: usize,
    /// Until then nobody is shown out: the last look found nobody.
    no_look_until_ms: u64,
    refused: u64,
    told_refused_ms: u64,
}

struct Present {
    /// `None`: its address counts for nothing.
    address: Option<IpAddr>,
    kind: Kind,
    guest: Arc<Guest>,
    watch: Arc<Watch>,
    leaves: bool,
}

/// A guest's place; given back when dropped.
pub struct Place {
    gate: Arc<Gate>,
    number: u64,
    pub guest: Arc<Guest>,
}

/// Counts like a guest until dropped.
pub struct More(Arc<Gate>);

impl Gate {
    /// A gate with nobody inside. `trusted`: the proxies that stand for many callers.
    pub fn new(room: Room, trusted: Trusted) -> Arc<Self> {
        Arc::new(Self { room, trusted, guests: Mutex::default(), more: AtomicUsize::new(0) })
    }

    /// The proxies that stand for many callers.
    pub fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    /// Who are here, with what counts like them.
    pub fn count(&self) -> usize {
        self.lock().present.len() + self.more.load(Ordering::Relaxed)
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// A place for a connection of `peer`, held until it is dropped. Where places are scarce, somebody who does not read may be shown out for it.
    ///
    /// # Errors
    /// All places are taken, or all that one address may have.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, kind: Kind, watch: Arc<Watch>) -> Result<Place, NoPlace> {
        // A proxy's address is everybody's.
        let address = (!self.trusted.trusts(peer)).then(|| network_of(peer));
        let mut guests = self.lock();
        let count = guests.present.len() + self.more.load(Ordering::Relaxed);
        let of_address = address.and_then(|address| guests.by_address.get(&address).copied()).unwrap_or_default();
        let too_many_open = kind == Kind::Open && guests.open >= self.room.scarce_from;
        let is_scarce = count >= self.room.scarce_from;
        // Beyond `most` are those that were shown out and have not left yet, and who has next to no other connection: a crowd that
        // comes faster than it can be told from others does not keep these out.
        let is_overfull = count >= self.room.most + self.room.most / 8;
        let has_few = address.is_some() && of_address < (self.room.each / 8).max(1);
        let there_is_room = if is_overfull {
            false
        } else if too_many_open {
            // Nobody of the other kind makes room for it.
            guests.show_out(|present| present.kind == Kind::Open && present.counts_for(address), of_address)
        } else if is_scarce && of_address >= self.room.each {
            guests.show_out(|present| present.counts_for(address), of_address)
        } else if count >= self.room.most {
            guests.show_out(|_| true, count) || has_few
        } else {
            true
        };
        if !there_is_room {
            guests.refused += 1;
            guests.tell_refused(count);
            return Err(NoPlace);
        }
        let number = guests.next;
        guests.next += 1;
        let guest = Guest::new();
        if let Some(address) = address {
            *guests.by_address.entry(address).or_default() += 1;
        }
        guests.open += usize::from(kind == Kind::Open);
        guests.present.insert(number, Present { address, kind, guest: guest.clone(), watch, leaves: false });
        Ok(Place { gate: self.clone(), number, guest })
    }

    /// For one more request of a guest that is served already.
    pub fn more(self: &Arc<Self>) -> Result<More, NoPlace> {
        if self.count() >= self.room.most && !self.lock().show_out(|_| true, self.room.most) {
            return Err(NoPlace);
        }
        self.more.fetch_add(1, Ordering::Relaxed);
        Ok(More(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Its silence says nothing from now on.
    pub fn stays_open(&self) -> Result<(), NoPlace> {
        let mut guests = self.gate.lock();
        let is_full = guests.open >= self.gate.room.scarce_from;
        let Some(present) = guests.present.get_mut(&self.number) else { return Err(NoPlace) };
        if present.kind == Kind::Open {
            return Ok(());
        }
        if is_full {
            return Err(NoPlace);
        }
        present.kind = Kind::Open;
        guests.open += 1;
        Ok(())
    }
}

impl Guests {
    fn tell_refused(&mut self, connections: usize) {
        let now = now_ms();
        if self.told_refused_ms == 0 || now >= self.told_refused_ms + TELL_EVERY_MS {
            self.told_refused_ms = now;
            tracing::warn!(
                connections,
                refused = self.refused,
                "Connections are refused: as many as may be open are being served, or as many as one address may have while they are scarce"
            );
        }
    }

    /// Shows out some of those that have waited longest, of those that `may` leave; a part of `of` at once, as it takes a
    /// look at everybody. Whether there was anybody.
    fn show_out(&mut self, may: impl Fn(&Present) -> bool, of: usize) -> bool {
        let now = now_ms();
        if now < self.no_look_until_ms {
            return false;
        }
        // Who has asked before goes after those that never have.
        let mut waiting: Vec<(bool, u64, u64)> = Vec::new();
        for (number, present) in &self.present {
            if !present.leaves
                && may(present)
                && let Some(since) = present.waits_since(now)
            {
                waiting.push((present.guest.has_asked(), since, *number));
            }
        }
        if waiting.is_empty() {
            self.no_look_until_ms = now + LOOK_AGAIN_MS;
            return false;
        }
        let leave = (of / 16).clamp(1, waiting.len());
        waiting.select_nth_unstable(leave - 1);
        for (_, _, number) in &waiting[..leave] {
            self.lead_out(*number);
        }
        true
    }

    fn lead_out(&mut self, number: u64) {
        let Some(present) = self.present.get_mut(&number) else { return };
        // Its request has come, and we have not got to it yet.
        if present.guest.silent().is_some() && !present.watch.is_quiet() {
            return;
        }
        present.leaves = true;
        if waited(&present.guest, &present.watch).is_some() {
            present.watch.cut_off();
        }
        present.guest.show_out();
    }
}

impl Present {
    fn counts_for(&self, address: Option<IpAddr>) -> bool {
        self.address == address
    }

    /// Since when it keeps its place for nothing.
    fn waits_since(&self, now: u64) -> Option<u64> {
        let silent = if self.kind == Kind::Asks { self.guest.silent_since() } else { None };
        let unread = waited(&self.guest, &self.watch).filter(|waited| *waited >= UNREAD);
        silent.or(unread.map(|waited| now.saturating_sub(waited.as_millis() as u64)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.gate.lock();
        let Some(gone) = guests.present.remove(&self.number) else { return };
        guests.open -= usize::from(gone.kind == Kind::Open);
        // A place may be free for who could not be shown one.
        guests.no_look_until_ms = 0;
        if let Some(address) = gone.address
            && let Some(count) = guests.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                guests.by_address.remove(&address);
            }
        }
    }
}

impl Drop for More {
    fn drop(&mut self) {
        self.0.more.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Somebody with IPv6 has at least a /64, and as many addresses as they like.
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

mod relief;
pub use relief::relieve;

#[cfg(test)]
mod tests;
