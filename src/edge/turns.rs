//! Who makes a connection to a replica next, where many want to at once.
//!
//! A replica's kernel keeps only so many connections that the replica has not accepted yet (a hundred, or some thousand). It
//! drops all further ones, and each of those tries again a second later, whoever's it is. And every new connection keeps its
//! worker busy until its answer flows, or its client has as much as it takes. So only so many are new at once. The others
//! stand in line, those of each caller in a line of their own, and the lines come forward in turn: ten thousand from a few
//! addresses wait for each other, and everybody else for a few of them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Connections to a replica that are new at once, of all workers. Fewer than any server keeps that listens as usual.
const NEW_AT_ONCE: usize = 64;
/// Of one worker, however many workers there are.
const FEWEST: usize = 4;
/// One that has not been answered within this time has been accepted, and its answer takes its time. It is new no more.
const NEW_FOR: Duration = Duration::from_millis(100);

/// Of one worker to one replica.
pub struct Turns {
    most: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// The turns of connections that are new, oldest first, and since when they are.
    taken: VecDeque<(u64, Instant)>,
    /// Who has somebody in line, in the order in which they come forward.
    callers: VecDeque<IpAddr>,
    /// The line of each of these. None is empty.
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
}

/// A connection may be made. It is new until this is dropped.
pub struct Turn {
    turns: Option<Arc<Turns>>,
    number: u64,
}

impl Turns {
    pub fn new(workers: usize) -> Arc<Self> {
        Self::of((NEW_AT_ONCE / workers.max(1)).max(FEWEST))
    }

    fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { most, line: Mutex::default() })
    }

    /// The caller's turn, at once or when it comes.
    pub async fn turn(self: &Arc<Self>, caller: IpAddr) -> Turn {
        loop {
            let waits = {
                let mut line = self.line();
                line.forget_old(Instant::now());
                line.call(self);
                if line.callers.is_empty() && line.taken.len() < self.most {
                    return line.give(self);
                }
                line.enter(caller)
            };
            // Nobody takes a line away in which somebody waits.
            if let Ok(turn) = waits.await {
                return turn;
            }
        }
    }

    /// Connections that have been new for long enough make room, also where nobody comes or goes. Called now and then.
    pub fn sweep(self: &Arc<Self>) {
        let mut line = self.line();
        line.forget_old(Instant::now());
        line.call(self);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn enter(&mut self, address: IpAddr) -> oneshot::Receiver<Turn> {
        let (calls, waits) = oneshot::channel();
        let waiting = self.waiting.entry(address).or_default();
        if waiting.is_empty() {
            self.callers.push_back(address);
        }
        waiting.push_back(calls);
        waits
    }

    fn give(&mut self, turns: &Arc<Turns>) -> Turn {
        let number = self.next;
        self.next += 1;
        self.taken.push_back((number, Instant::now()));
        Turn { turns: Some(turns.clone()), number }
    }

    /// Lets those forward for whom there is room. Who has left is passed over.
    fn call(&mut self, turns: &Arc<Turns>) {
        while self.taken.len() < turns.most
            && let Some(caller) = self.callers.pop_front()
        {
            let mut waiting = self.waiting.remove(&caller).unwrap_or_default();
            while let Some(calls) = waiting.pop_front() {
                let Err(mut refused) = calls.send(self.give(turns)) else { break };
                // Dropped with what it holds, it would ask for the line that is held here.
                refused.turns = None;
                self.taken.pop_back();
            }
            if !waiting.is_empty() {
                self.waiting.insert(caller, waiting);
                self.callers.push_back(caller);
            }
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.taken.front().is_some_and(|(_, since)| now.saturating_duration_since(*since) >= NEW_FOR) {
            self.taken.pop_front();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        let mut line = turns.line();
        if let Some(index) = line.taken.iter().position(|(number, _)| *number == self.number) {
            line.taken.remove(index);
        }
        line.call(&turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::{Pin, pin};

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// Whoever waits, and who it is.
    type Waiting = Vec<(u8, Pin<Box<dyn Future<Output = Turn>>>)>;

    fn wait(turns: &Arc<Turns>, callers: &[u8]) -> Waiting {
        let of = |last: u8| {
            let turns = turns.clone();
            let mut waits: Pin<Box<dyn Future<Output = Turn>>> =
                Box::pin(async move { turns.turn(address(last)).await });
            assert!(waits.as_mut().now_or_never().is_none());
            (last, waits)
        };
        callers.iter().map(|last| of(*last)).collect()
    }

    /// Who comes forward when each of those before is done at once.
    fn order(waiting: &mut Waiting) -> Vec<u8> {
        let mut order = Vec::new();
        while let Some(index) = (0..waiting.len()).find(|index| waiting[*index].1.as_mut().now_or_never().is_some()) {
            order.push(waiting.remove(index).0);
        }
        order
    }

    #[tokio::test]
    async fn nobody_waits_while_there_is_room() {
        let turns = Turns::of(2);
        let one = turns.turn(address(1)).await;
        let two = turns.turn(address(1)).await;
        assert!(turns.turn(address(2)).now_or_never().is_none());
        drop(one);
        assert!(turns.turn(address(2)).now_or_never().is_some());
        drop(two);
    }

    #[tokio::test]
    async fn callers_take_turns_however_many_connections_each_of_them_wants() {
        let turns = Turns::of(1);
        let first = turns.turn(address(1)).await;
        let mut waiting = wait(&turns, &[1, 1, 1, 1, 2, 3, 3]);
        assert_eq!(order(&mut waiting), Vec::<u8>::new());
        drop(first);
        assert_eq!(order(&mut waiting), [1, 2, 3, 1, 3, 1, 1]);
        assert!(turns.line().callers.is_empty() && turns.line().waiting.is_empty() && turns.line().taken.is_empty());
    }

    #[tokio::test]
    async fn who_leaves_the_line_takes_no_turn_with_them() {
        let turns = Turns::of(1);
        let first = turns.turn(address(1)).await;
        let mut waiting = wait(&turns, &[1, 2, 2, 3]);
        drop(waiting.remove(1));
        drop(first);
        // The first has its turn, which nobody has fetched yet.
        drop(waiting.remove(0));
        assert_eq!(order(&mut waiting), [2, 3]);
        assert!(turns.line().taken.is_empty());
    }

    #[tokio::test]
    async fn who_is_not_answered_keeps_the_line_up_only_for_a_moment() {
        let turns = Turns::of(1);
        let slow = turns.turn(address(1)).await;
        let mut next = pin!(turns.turn(address(2)));
        assert!(next.as_mut().now_or_never().is_none());
        let began = Instant::now();
        let next = loop {
            turns.sweep();
            if let Some(turn) = next.as_mut().now_or_never() {
                break turn;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it waits in vain");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(began.elapsed() >= NEW_FOR / 2);
        // Its end makes no room for a second time.
        drop(slow);
        assert!(turns.turn(address(3)).now_or_never().is_none());
        drop(next);
        assert!(turns.turn(address(3)).now_or_never().is_some());
    }
}
