//! How a request or connection gets to a replica: chosen, connected to, and, while there is none, waited for.

use super::choice::{Wish, choose};
use super::counts::ReleaseCounts;
use super::live::Target;
use super::replica::{Busy, LiveReplica};
use super::state::Edge;
use super::turns::Turn;
use crate::connections::Watch;
use crate::model::ReleaseId;
use std::future::Future;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A replica that could not be reached is tried again after this time by whoever waits for it.
pub const AGAIN: Duration = Duration::from_millis(100);
/// Whether a client that waits is still there is asked this often.
const STILL_THERE: Duration = Duration::from_millis(250);

/// How to reach a replica: over HTTP an idle connection will do, plain TCP needs a new one.
pub trait Reach: Sync {
    type Connection: Send;
    /// One that is there already.
    fn at_once(&self, replica: &LiveReplica, port: u16) -> Option<Self::Connection>;
    /// A new one. An error means that the replica cannot be reached: nothing was sent to it.
    fn reach(
        &self,
        replica: &Arc<LiveReplica>,
        port: u16,
    ) -> impl Future<Output = std::io::Result<Self::Connection>> + Send;
}

pub struct Admitted<C> {
    pub release: ReleaseId,
    pub counts: Arc<ReleaseCounts>,
    pub busy: Busy,
    /// Port in the container.
    pub port: u16,
    pub connection: C,
    /// Kept for as long as the connection keeps the replica and the worker busy as a new one does.
    pub turn: Option<Turn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// As many as may wait do already.
    TooMany,
    /// It waited as long as it may.
    TooLong,
    /// The client went away.
    ClientLeft,
    /// What led here is no longer routed.
    NotRouted,
}

/// What is to be admitted. `tried`: replicas that this request could not be sent to.
pub struct Asks<'a> {
    pub edge: &'a Edge,
    pub target: &'a Target,
    pub wish: Wish,
    pub worker: usize,
    /// Whose it is, as far as is known.
    pub caller: IpAddr,
    /// Where the client's going away can only be seen by asking its socket.
    pub client: Option<&'a Watch>,
}

impl Asks<'_> {
    /// Goes straight through when nobody waits and a replica can be reached; else to the end of the line.
    pub async fn admit<R: Reach>(
        &self,
        reach: &R,
        tried: &mut Vec<Arc<LiveReplica>>,
    ) -> Result<Admitted<R::Connection>, NotAdmitted> {
        let hold = &self.target.hold;
        let refusals = hold.refusals();
        if !self.target.component.held
            && hold.len() == 0
            && let Some(admitted) = self.try_each(self.target, reach, tried, false).await
        {
            return Ok(admitted);
        }
        let settings = &self.edge.settings;
        let place = hold.enter(settings.hold_most).ok_or(NotAdmitted::TooMany)?;
        let wait = async {
            place.first().await;
            self.first_in_line(reach).await
        };
        let waited = tokio::select! {
            waited = timeout(settings.hold, wait) => waited.unwrap_or(Err(NotAdmitted::TooLong)),
            () = left(self.client) => Err(NotAdmitted::ClientLeft),
        };
        if hold.refusals() != refusals {
            self.count_refusal(waited.as_ref().ok());
        }
        waited
    }

    /// It waited because replicas that it was to go to take no connections: a failure, whatever became of it then.
    fn count_refusal<C>(&self, admitted: Option<&Admitted<C>>) {
        if let Some(admitted) = admitted {
            return admitted.counts.broke_off(self.worker);
        }
        let target = self.edge.live().again(self.target);
        let target = target.as_ref().unwrap_or(self.target);
        let chance = &mut |below: usize| fastrand::usize(..below);
        let chosen = choose((&target.component, target.port), self.wish, &[], true, Instant::now(), chance);
        if let Some((release, _)) = chosen {
            release.counts.failed(self.worker);
        }
    }

    /// Tries at each change of the routes, and again and again while there are replicas that cannot be reached.
    async fn first_in_line<R: Reach>(&self, reach: &R) -> Result<Admitted<R::Connection>, NotAdmitted> {
        let mut changes = self.edge.changes();
        loop {
            changes.mark_unchanged();
            let target = self.edge.live().again(self.target).ok_or(NotAdmitted::NotRouted)?;
            if !target.component.held
                && let Some(admitted) = self.try_each(&target, reach, &mut Vec::new(), true).await
            {
                return Ok(admitted);
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep(AGAIN), if !target.component.held => {}
            }
        }
    }

    /// `None`: none can be reached. `whoever`: also those that are left alone for a while.
    async fn try_each<R: Reach>(
        &self,
        target: &Target,
        reach: &R,
        tried: &mut Vec<Arc<LiveReplica>>,
        whoever: bool,
    ) -> Option<Admitted<R::Connection>> {
        let mut now_target = None;
        let mut refused = false;
        loop {
            let target = now_target.as_ref().unwrap_or(target);
            let chance = &mut |below: usize| fastrand::usize(..below);
            let leads = (&*target.component, target.port);
            let Some((release, replica)) = choose(leads, self.wish, tried, whoever, Instant::now(), chance) else {
                if refused {
                    self.target.hold.note_refusal();
                }
                return None;
            };
            let busy = Busy::request(replica.clone());
            if replica.is_gone() {
                // The routes changed since they were looked up.
                drop(busy);
                now_target = Some(self.edge.live().again(self.target)?);
                if now_target.as_ref().is_some_and(|target| target.component.held) {
                    return None;
                }
                continue;
            }
            let admitted = |busy, connection, turn| {
                let counts = release.counts.clone();
                Admitted { release: release.id, counts, busy, port: target.port, connection, turn }
            };
            if let Some(connection) = reach.at_once(replica, target.port) {
                return Some(admitted(busy, connection, None));
            }
            let turn = self.turn(replica).await?;
            // Meanwhile others have been answered, or have found that nobody can be reached there.
            if let Some(connection) = reach.at_once(replica, target.port) {
                return Some(admitted(busy, connection, None));
            }
            if replica.is_gone() || !whoever && replica.is_left_alone(target.port, Instant::now()) {
                continue;
            }
            match reach.reach(replica, target.port).await {
                Ok(connection) => return Some(admitted(busy, connection, Some(turn))),
                Err(error) => {
                    tracing::debug!(
                        component = %target.component.key, replica = replica.id, port = target.port, error = %error, "A replica cannot be reached"
                    );
                    // What does not speak what is wanted is there all the same.
                    refused |= error.kind() != ErrorKind::Other;
                    replica.could_not_be_reached(target.port, Instant::now());
                    tried.push(replica.clone());
                }
            }
        }
    }

    /// `None`: it did not come as long as one may wait, or the client went away.
    async fn turn(&self, replica: &LiveReplica) -> Option<Turn> {
        let waits = timeout(self.edge.settings.hold, replica.turns(self.worker).turn(self.caller));
        tokio::select! {
            // Mostly it comes at once.
            biased;
            turn = waits => turn.ok(),
            () = left(self.client) => None,
        }
    }
}

/// Ends when the client has gone away.
pub async fn left(client: Option<&Watch>) {
    let Some(client) = client else { return std::future::pending().await };
    while !client.has_left() {
        sleep(STILL_THERE).await;
    }
}
