//! Ready means reachable: once the engine calls a replica ready, whoever is to lead callers to it has to get a connection at
//! each port that counts (`plan::Reach`). The engine's own proxy is no witness: it takes connections for the dead.

use crate::edge::EdgeError;
use crate::engine::{EngineError, Outcome};
use crate::plan::{Action, Leader, Miss, Reach, ReachedPort, Readiness, Target};
use crate::run::ground::step_error::StepError;
use crate::run::traffic::hands::Hands;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// From one try to the next.
const AGAIN: Duration = Duration::from_millis(250);
/// An edge or a front that is away may be about to come back; one that stays away the step that leads there tells of.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// How often the engine is asked for its word again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What a replica said last goes with a failure.
const LAST_LINES: usize = 20;

/// Waits for the engine's word, then for those who lead there.
pub async fn wait_ready(
    hands: &Hands,
    action: &Action,
    (target, readiness, reach): (&Target, &Readiness, &Reach),
    cancel: &CancellationToken,
) -> Result<Outcome, StepError> {
    let (began, supplies) = (Instant::now(), hands.supplies.as_ref());
    let outcome = hands.engine.act(action, supplies, cancel).await?;
    let Target::Existing { id, name } = target else { return Ok(outcome) };
    let waiting = Waiting { hands, id, reach, ready_at: Instant::now(), until: began + readiness.deadline };
    let mut left: Vec<ReachedPort> = reach.ports.clone();
    let mut missed: Vec<ReachedPort> = Vec::new();
    let mut unable = BTreeSet::new();
    let (mut is_told, mut looked) = (false, Instant::now());
    loop {
        waiting.ask(&mut left, &mut unable).await?;
        let over = |port: &ReachedPort| Instant::now() >= waiting.end_of(port);
        missed.extend(left.iter().filter(|port| over(port)));
        left.retain(|port| !missed.contains(port));
        if left.is_empty() || missed.iter().any(|port| port.miss == Miss::Fails) {
            break;
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            // It may have ended, or be unhealthy by now; that it needs a while to answer says nothing.
            if let Ok(looked) = timeout(LOOK_EVERY, hands.engine.act(action, supplies, cancel)).await {
                looked?;
            }
            waiting.excuse(&mut left).await;
        }
        if !is_told && left.iter().any(|port| port.miss != Miss::NeverSeen) {
            is_told = true;
            let ports: Vec<String> = left.iter().map(|port| port.port.to_string()).collect();
            supplies.progress(&format!("waiting for {name} to take connections at port {}", ports.join(", ")));
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = cancel.cancelled() => return Err(EngineError::Cancelled.into()),
        }
    }
    let outcome = Outcome { note: with_unable(outcome.note, name, reach, &unable), ..outcome };
    match missed.is_empty() {
        true => Ok(outcome),
        false => waiting.judge(name, missed, readiness.deadline, outcome).await,
    }
}

struct Waiting<'a> {
    hands: &'a Hands,
    /// The engine's id of the replica.
    id: &'a str,
    reach: &'a Reach,
    ready_at: Instant,
    /// When it has taken too long to become ready.
    until: Instant,
}

impl Waiting<'_> {
    fn end_of(&self, port: &ReachedPort) -> Instant {
        port.miss.patience().map_or(self.until, |patience| self.ready_at + patience)
    }

    /// What the release cannot help fails nothing.
    async fn excuse(&self, left: &mut [ReachedPort]) {
        let Ok(Some(listeners)) = self.hands.engine.listeners(self.id).await else { return };
        for port in left.iter_mut().filter(|port| self.reach.is_beyond_the_edge(port, &listeners)) {
            port.miss = Miss::Tolerated;
        }
    }

    /// Leaves those that take no connection. Who does not know the question goes into `unable`.
    async fn ask(&self, left: &mut Vec<ReachedPort>, unable: &mut BTreeSet<Leader>) -> Result<(), StepError> {
        for leader in [Leader::Edge, Leader::Front] {
            let of: Vec<u16> = left.iter().filter(|port| port.leader == leader).map(|port| port.port).collect();
            if of.is_empty() {
                continue;
            }
            let answer = self.hands.lead.knock(self.reach, leader, self.id, &of).await;
            if answer.as_ref().is_err_and(EdgeError::is_unknown_call) {
                unable.insert(leader);
            }
            let taken = asked_no_more(of, answer, self.ready_at.elapsed())?;
            left.retain(|port| port.leader != leader || !taken.contains(&port.port));
        }
        Ok(())
    }

    async fn judge(
        &self,
        name: &str,
        missed: Vec<ReachedPort>,
        deadline: Duration,
        outcome: Outcome,
    ) -> Result<Outcome, StepError> {
        let engine = &self.hands.engine;
        let listeners = engine.listeners(self.id).await.unwrap_or_default();
        let failed: Vec<ReachedPort> = missed.iter().filter(|port| port.miss == Miss::Fails).copied().collect();
        if failed.is_empty() {
            let told = self.reach.sentence(&missed, listeners.as_deref(), deadline);
            let ready = outcome.note.map(|note| format!("{note}; ")).unwrap_or_default();
            return Ok(Outcome { note: Some(format!("{ready}warning: {name} {told}")), ..outcome });
        }
        let why = self.reach.sentence(&failed, listeners.as_deref(), deadline);
        let last_lines = engine.last_lines(self.id, LAST_LINES).await.unwrap_or_default();
        Err(EngineError::NotReady { container: name.to_string(), why, last_lines, has_ended: false }.into())
    }
}

/// What is noted of a replica, and that an edge or a front of before cannot say whether callers reach it.
fn with_unable(note: Option<String>, name: &str, reach: &Reach, unable: &BTreeSet<Leader>) -> Option<String> {
    let told = unable.iter().map(|leader| {
        let (who, what) = match leader {
            Leader::Edge => ("the edge".to_string(), "`launchway edge` of this version takes over from it"),
            Leader::Front => (format!("the front of {}", reach.component), "the next front is of this version"),
        };
        format!("warning: {who} is of an earlier version and cannot say whether {name} takes connections; {what}")
    });
    let all: Vec<String> = note.into_iter().chain(told).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Which of the ports that were asked are to be asked no more: those that took a connection, and all where nobody can ask. An
/// edge or a front of before does not know the call, and the engine's word alone counts then.
fn asked_no_more(
    asked: Vec<u16>,
    answer: Result<Option<Vec<u16>>, EdgeError>,
    since_ready: Duration,
) -> Result<Vec<u16>, EdgeError> {
    match answer {
        Ok(Some(taken)) => Ok(taken),
        Ok(None) => Ok(asked),
        Err(error) if error.is_away() && since_ready < BACK_WITHIN => Ok(Vec::new()),
        Err(error) if error.is_away() || error.is_unknown_call() => Ok(asked),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_of_before_that_cannot_be_asked_is_said() {
        let component = "web".parse().unwrap();
        let place = crate::model::Place { file: "compose.yaml".into(), line: 3 };
        let reach = Reach { component, place, address: None, ports: Vec::new() };
        assert_eq!(with_unable(None, "web-1", &reach, &BTreeSet::new()), None);
        let said = with_unable(Some("ready after 2 s".into()), "web-1", &reach, &[Leader::Edge].into()).unwrap();
        insta::assert_snapshot!(said, @"ready after 2 s; warning: the edge is of an earlier version and cannot say whether web-1 takes connections; `launchway edge` of this version takes over from it");
        let said = with_unable(None, "web-1", &reach, &[Leader::Front].into()).unwrap();
        assert!(said.starts_with("warning: the front of web is of an earlier version"), "{said}");
    }

    fn refused(status: u16) -> Result<Option<Vec<u16>>, EdgeError> {
        Err(EdgeError::Refused { status, detail: "no".into() })
    }

    fn away() -> Result<Option<Vec<u16>>, EdgeError> {
        Err(EdgeError::Away { socket: "edge.sock".into(), why: "it ends".into() })
    }

    #[test]
    fn an_edge_that_does_not_know_the_call_or_stays_away_fails_nothing() {
        let (soon, late) = (Duration::from_secs(1), BACK_WITHIN);
        let both = || vec![80, 81];
        assert_eq!(asked_no_more(both(), Ok(Some(vec![81])), soon).unwrap(), [81]);
        assert_eq!(asked_no_more(both(), Ok(None), soon).unwrap(), both());
        assert_eq!(asked_no_more(both(), refused(404), soon).unwrap(), both());
        assert!(asked_no_more(both(), refused(500), soon).is_err());
        assert!(asked_no_more(both(), away(), soon).unwrap().is_empty(), "it may be back in a moment");
        assert_eq!(asked_no_more(both(), away(), late).unwrap(), both());
    }
}
