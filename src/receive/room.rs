//! The memory for bodies of senders of whom nothing is known yet: so much for all, and, once half of it is taken, so much
//! for each of them.

use crate::connections::Caller;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of one caller, while the room is scarce.
const PART_OF_EACH: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Room {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<IpAddr, usize>,
}

/// What one body takes; given back when dropped.
pub(super) struct Held {
    room: Room,
    caller: Option<IpAddr>,
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    pub(super) fn enter(&self, caller: Option<Caller>) -> Held {
        Held { room: self.clone(), caller: caller.map(|caller| caller.0), bytes: 0 }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Full> {
        let mut taken = self.room.taken();
        let all = taken.all.saturating_add(bytes);
        let own = self.caller.map_or(0, |caller| taken.by_caller.get(&caller).copied().unwrap_or_default() + bytes);
        let is_scarce = all > self.room.most / 2;
        if all > self.room.most || (is_scarce && own > self.room.most / PART_OF_EACH) {
            return Err(Full);
        }
        taken.all = all;
        if let Some(caller) = self.caller {
            taken.by_caller.insert(caller, own);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all -= self.bytes;
        if let Some(caller) = self.caller
            && let Some(own) = taken.by_caller.get_mut(&caller)
        {
            *own -= self.bytes;
            if *own == 0 {
                taken.by_caller.remove(&caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_room_is_scarce_one_caller_does_not_take_it_from_the_others() {
        let room = Room::new(800);
        let enter = |last: u8| room.enter(Some(Caller([192, 0, 2, last].into())));
        let mut first = enter(1);
        assert_eq!(first.take(400), Ok(()), "there is enough for everybody");
        assert_eq!(first.take(1), Err(Full));
        let mut second = enter(2);
        assert_eq!(second.take(100), Ok(()));
        assert_eq!(enter(2).take(1), Err(Full), "the same caller's next body");
        let others: Vec<Held> = (3..6)
            .map(|last| {
                let mut held = enter(last);
                assert_eq!(held.take(100), Ok(()));
                held
            })
            .collect();
        assert_eq!(enter(9).take(1), Err(Full), "all of it is taken");
        drop((first, second, others));
        assert_eq!(room.taken().all, 0);
        assert!(room.taken().by_caller.is_empty());
    }
}
