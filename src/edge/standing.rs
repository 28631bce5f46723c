//! What of a component outlives a change of its routes: who waits, what its replicas are busy with, what was counted.

use super::counts::ReleaseCounts;
use super::hold::{Hold, PastWaits};
use super::replica::LiveReplica;
use crate::model::{ComponentRoutes, ComponentTraffic, InFlight, Listen, ReleaseId, Replica};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of releases that are routed no more are kept for so many.
const PAST_RELEASES: usize = 8;

pub struct Standing {
    /// Who waits, by way in: nobody waits for those of another one, at which maybe nobody listens.
    holds: Mutex<BTreeMap<Listen, Arc<Hold>>>,
    /// Those that waited at ways in that are gone.
    past: Mutex<PastWaits>,
    workers: usize,
    replicas: Mutex<Vec<Arc<LiveReplica>>>,
    releases: Mutex<BTreeMap<ReleaseId, Arc<ReleaseCounts>>>,
}

impl Standing {
    pub fn new(workers: usize) -> Self {
        Self {
            holds: Mutex::default(),
            past: Mutex::default(),
            workers,
            replicas: Mutex::default(),
            releases: Mutex::default(),
        }
    }

    /// The line of a way in.
    pub fn hold(&self, listen: &Listen) -> Arc<Hold> {
        locked(&self.holds).entry(listen.clone()).or_default().clone()
    }

    /// The one that is known, or a new one.
    pub fn replica(&self, replica: &Replica) -> Arc<LiveReplica> {
        let mut replicas = locked(&self.replicas);
        if let Some(known) = replicas.iter().find(|known| known.is(replica)) {
            known.come_back();
            return known.clone();
        }
        let new = Arc::new(LiveReplica::new(replica, self.workers));
        replicas.push(new.clone());
        new
    }

    pub fn counts(&self, release: ReleaseId) -> Arc<ReleaseCounts> {
        let new = || Arc::new(ReleaseCounts::new(self.workers));
        locked(&self.releases).entry(release).or_insert_with(new).clone()
    }

    /// The routes are these now: who is not in them gets no further request. Called after they are served, never
    /// before, or a request would find nobody.
    pub fn settle(&self, routes: Option<&ComponentRoutes>) {
        let releases = routes.map(|routes| &routes.releases[..]).unwrap_or_default();
        let is_routed = |live: &LiveReplica| releases.iter().any(|of| of.replicas.iter().any(|one| live.is(one)));
        locked(&self.replicas).retain(|replica| {
            if is_routed(replica) {
                return true;
            }
            replica.leave();
            !replica.in_flight().is_idle()
        });
        let entries = routes.map(|routes| &routes.entries[..]).unwrap_or_default();
        locked(&self.holds).retain(|listen, hold| {
            let stays = hold.len() > 0 || entries.iter().any(|entry| entry.listen == *listen);
            if !stays {
                locked(&self.past).add(hold.past());
            }
            stays
        });
        let mut counts = locked(&self.releases);
        let past: Vec<ReleaseId> =
            counts.keys().filter(|id| !releases.iter().any(|of| of.release == **id)).copied().collect();
        for id in past.iter().take(past.len().saturating_sub(PAST_RELEASES)) {
            counts.remove(id);
        }
    }

    /// Of the container, or of all: what can be closed in good order is.
    /// `held`: nobody new is led to any of them.
    pub fn say_goodbye(&self, container: Option<&str>, held: bool) {
        let replicas = locked(&self.replicas);
        let is_meant = |replica: &LiveReplica, id: &str| replica.id == id && (held || replica.is_gone());
        let meant = replicas.iter().filter(|replica| container.is_none_or(|id| is_meant(replica, id)));
        meant.for_each(|replica| replica.goodbye().cancel());
    }

    pub fn sweep(&self) {
        let mut replicas = locked(&self.replicas);
        replicas.retain(|replica| !replica.is_gone() || !replica.in_flight().is_idle());
        replicas.iter().for_each(|replica| replica.sweep());
    }

    /// Nothing of it is left to tell.
    pub fn is_over(&self) -> bool {
        locked(&self.holds).values().all(|hold| hold.len() == 0) && locked(&self.replicas).is_empty()
    }

    pub fn traffic(&self) -> ComponentTraffic {
        let mut in_flight: BTreeMap<String, InFlight> = BTreeMap::new();
        for replica in locked(&self.replicas).iter() {
            let now = replica.in_flight();
            if replica.is_gone() && now.is_idle() {
                continue;
            }
            // A container that came back with another address is two of ours.
            in_flight.entry(replica.id.clone()).or_default().add(now);
        }
        let releases = locked(&self.releases).iter().map(|(id, counts)| (*id, counts.read())).collect();
        let holds = locked(&self.holds);
        let mut past = *locked(&self.past);
        holds.values().for_each(|hold| past.add(hold.past()));
        ComponentTraffic {
            held: holds.values().map(|hold| hold.len() as u64).sum(),
            held_before: past.count,
            held_before_ms: u64::try_from(past.time.as_millis()).unwrap_or(u64::MAX),
            releases,
            in_flight,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
