//! What all threads of the edge share.

use super::live::{Live, Probed};
use super::pace::LogPace;
use super::standing::Standing;
use crate::connections::{Gate, Room, Trusted};
use crate::model::{ComponentRoutes, EdgeSettings, RouteKey, Traffic};
use crate::process::memory_bytes;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub struct Edge {
    pub settings: EdgeSettings,
    pub workers: usize,
    /// Every client has a place here.
    pub gate: Arc<Gate>,
    /// Told to end: nothing new comes in, what is there goes on for the drain.
    pub ending: CancellationToken,
    /// How often the log hears of requests that are refused.
    pub refused: LogPace,
    live: ArcSwap<Live>,
    /// Counts the changes of `live`, for those who wait for one.
    version: watch::Sender<u64>,
    standing: Mutex<BTreeMap<RouteKey, Arc<Standing>>>,
}

impl Edge {
    /// `files`: so many this process may have open.
    pub fn new(settings: EdgeSettings, workers: usize, files: usize) -> Self {
        // A client's connection takes one, and its counterpart to a replica another.
        let room = Room::within(files, 2, memory_bytes());
        let trusted = match settings.inside {
            // A component may have as many connections as it likes to another one of its environment.
            true => Trusted::everybody(),
            false => Trusted::new(&settings.trusted_proxies),
        };
        let gate = Gate::new(room, trusted);
        let nothing = Live::new([], &Probed::new(), |_| Arc::new(Standing::new(workers)));
        Self {
            settings,
            workers,
            gate,
            ending: CancellationToken::new(),
            refused: LogPace::default(),
            live: ArcSwap::from_pointee(nothing),
            version: watch::Sender::new(0),
            standing: Mutex::default(),
        }
    }

    pub fn live(&self) -> arc_swap::Guard<Arc<Live>> {
        self.live.load()
    }

    /// Wakes at each change of the routes from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Serves this table from now on. When it returns, no further request goes to a replica that is not in it.
    pub fn serve(&self, table: &BTreeMap<RouteKey, ComponentRoutes>, probed: &Probed) {
        let live = Live::new(table, probed, |key| self.standing(key));
        self.live.store(Arc::new(live));
        let all: Vec<(RouteKey, Arc<Standing>)> =
            self.all_standing().iter().map(|(key, standing)| (key.clone(), standing.clone())).collect();
        for (key, standing) in all {
            standing.settle(table.get(&key));
        }
        self.version.send_modify(|version| *version += 1);
    }

    fn standing(&self, key: &RouteKey) -> Arc<Standing> {
        self.all_standing().entry(key.clone()).or_insert_with(|| Arc::new(Standing::new(self.workers))).clone()
    }

    /// Closes what has been idle for too long, and forgets components that are over.
    pub fn sweep(&self) {
        let live = self.live();
        self.all_standing().retain(|key, standing| {
            standing.sweep();
            live.component(key).is_some() || !standing.is_over()
        });
    }

    /// WebSockets to a container that gets nothing new any more, or to all, are closed with 1001.
    pub fn say_goodbye(&self, container: Option<&str>) {
        let live = self.live();
        for (key, standing) in self.all_standing().iter() {
            standing.say_goodbye(container, live.component(key).is_some_and(|component| component.held));
        }
    }

    pub fn traffic(&self) -> Traffic {
        let components = self.all_standing().iter().map(|(key, standing)| (key.clone(), standing.traffic())).collect();
        Traffic { components }
    }

    fn all_standing(&self) -> std::sync::MutexGuard<'_, BTreeMap<RouteKey, Arc<Standing>>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
