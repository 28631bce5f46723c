//! What is remembered of an environment between two looks at it, and what that makes of what is seen.

use crate::model::{ComponentName, ContainerState, Degraded, DeploymentId, Ending, Health, Trouble};
use crate::plan::deaths::Deaths;
use crate::plan::standing::{ComponentStanding, Standing};
use crate::store::DegradedRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What ended is left to the engine's restart policy, and to whoever stops or replaces it by hand, for this long.
pub const SETTLE: Duration = Duration::from_secs(2);

/// One environment with a live release.
#[derive(Debug)]
pub struct Remembered {
    /// The deployment that made live what is looked after.
    pub live: DeploymentId,
    records: BTreeMap<ComponentName, Record>,
    /// Since when a replica was seen to be down, and whether that was counted.
    down: BTreeMap<(ComponentName, u32), Down>,
    /// How containers that have ended came to their end, by id.
    endings: BTreeMap<String, Ending>,
    /// Putting back a failed deployment.
    pub whole: Record,
}

/// What is remembered of a component that dies.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub deaths: Deaths,
    restarts: Option<u64>,
    /// How it died, or what stands in the way: `exited with code 3`.
    pub how: String,
    pub last_lines: Vec<String>,
    /// It could not even be tried to the end.
    pub is_stuck: bool,
}

#[derive(Debug, Clone, Copy)]
struct Down {
    since_ms: i64,
    counted: bool,
}

/// What a look makes of it.
#[derive(Debug, Default)]
pub struct Noted {
    /// Components that are not to be put back yet.
    pub not_now: BTreeSet<ComponentName>,
    /// Containers that have just ended or ended again, and whose last words are worth keeping.
    pub ended: Vec<(ComponentName, String)>,
}

impl Remembered {
    /// `known` is what was noted before, by an earlier process of the same release.
    pub fn new(live: DeploymentId, known: &[DegradedRecord]) -> Self {
        let keeps_dying = known.iter().map(|record| &record.degraded).filter(|d| d.trouble == Trouble::KeepsDying);
        let records = keeps_dying.filter_map(|degraded| {
            let how = degraded.why.split_once(": ").map_or("", |(_, how)| how);
            let how = how.rsplit_once(", ").map_or(how, |(how, _)| how).to_string();
            let last_lines = degraded.last_lines.clone();
            let record = Record { deaths: Deaths::known(), how, last_lines, ..Record::default() };
            Some((degraded.component.clone()?, record))
        });
        let records = records.collect();
        Self { live, records, down: BTreeMap::new(), endings: BTreeMap::new(), whole: Record::default() }
    }

    /// How a container came to its end.
    pub fn ending(&self, container: &str) -> Option<Ending> {
        self.endings.get(container).copied()
    }

    /// How the containers came to their ends, by their ids.
    pub fn set_endings(&mut self, endings: BTreeMap<String, Ending>) {
        self.endings = endings;
    }

    /// The engine went away: what it said last may have been its own end.
    pub fn forget_endings(&mut self) {
        self.endings.clear();
    }

    /// Whether a replica has been seen to be down for long enough to be judged.
    pub fn has_settled(&self, component: &ComponentName, replica: u32, now_ms: i64) -> bool {
        let down = self.down.get(&(component.clone(), replica));
        down.is_some_and(|down| now_ms - down.since_ms >= SETTLE.as_millis() as i64)
    }

    /// What is remembered of a component, to be changed.
    pub fn record(&mut self, component: &ComponentName) -> &mut Record {
        self.records.entry(component.clone()).or_default()
    }

    /// A try to put it back did not succeed: it counts as one more death.
    pub fn failed(&mut self, component: &ComponentName, how: String, last_lines: Vec<String>, is_stuck: bool) {
        for (_, down) in self.down.iter_mut().filter(|((name, _), _)| name == component) {
            down.counted = false;
        }
        let record = self.record(component);
        (record.how, record.is_stuck) = (how, is_stuck);
        record.last_lines = last_lines;
    }

    /// Takes what a look has found.
    pub fn note(&mut self, standings: &[ComponentStanding<'_>], now_ms: i64) -> Noted {
        let mut noted = Noted::default();
        let is_down = |standing: &Standing| matches!(standing, Standing::Died(_) | Standing::Missing);
        let still: BTreeSet<(ComponentName, u32)> = standings
            .iter()
            .flat_map(|standing| {
                let down = standing.replicas.iter().filter(|(_, one)| is_down(one));
                down.map(|(replica, _)| (standing.name().clone(), *replica))
            })
            .collect();
        self.down.retain(|key, _| still.contains(key));
        for standing in standings.iter().filter(|standing| !standing.is_job) {
            self.note_restarts(standing, now_ms, &mut noted);
            self.record(standing.name()).deaths.is_up(now_ms, standing.is_well());
            for (replica, one) in standing.replicas.iter().filter(|(_, one)| is_down(one)) {
                let key = (standing.name().clone(), *replica);
                let down = self.down.entry(key).or_insert(Down { since_ms: now_ms, counted: false });
                if now_ms - down.since_ms < SETTLE.as_millis() as i64 {
                    noted.not_now.insert(standing.name().clone());
                } else if !down.counted {
                    down.counted = true;
                    let record = self.record(standing.name());
                    record.deaths.died(now_ms);
                    if let Some(how) = how(*one) {
                        record.how = how;
                    }
                    if let Some(container) = one.container() {
                        noted.ended.push((standing.name().clone(), container.id.clone()));
                    }
                }
            }
            if self.record(standing.name()).deaths.next_try_ms() > now_ms {
                noted.not_now.insert(standing.name().clone());
            }
        }
        noted
    }

    fn note_restarts(&mut self, standing: &ComponentStanding<'_>, now_ms: i64, noted: &mut Noted) {
        let record = self.record(standing.name());
        let restarts = standing.restarts();
        let before = record.restarts.replace(restarts);
        let restarting = standing.replicas.values().find(|one| matches!(one, Standing::Restarting(_)));
        let new = match before {
            Some(before) => restarts.saturating_sub(before),
            // What the engine did before the first look counts only where it still goes on.
            None if restarting.is_some() => restarts,
            None => 0,
        };
        for _ in 0..new.min(10) {
            record.deaths.died(now_ms);
        }
        if new > 0 {
            record.how = "the engine restarts it again and again".into();
            let container = restarting.or(standing.replicas.values().next()).and_then(|one| one.container());
            noted.ended.extend(container.map(|c| (standing.name().clone(), c.id.clone())));
        }
    }

    /// All that makes the environment degraded, as sentences.
    pub fn degraded(&self, standings: &[ComponentStanding<'_>], environment: &str) -> Vec<Degraded> {
        let mut all = Vec::new();
        if self.whole.deaths.count() > 0 {
            let (why, last_lines) = (self.whole.how.clone(), self.whole.last_lines.clone());
            all.push(Degraded { component: None, trouble: Trouble::NotPutBack, why, last_lines });
        }
        for standing in standings.iter().filter(|standing| !standing.is_job) {
            let name = standing.name();
            let mut say = |trouble: Trouble, why: String, last_lines: Vec<String>| {
                all.push(Degraded { component: Some(name.clone()), trouble, why, last_lines });
            };
            if let Some(word) = stopped(standing) {
                let why = format!(
                    "{name} was {word} by hand; `launchway start {environment}` or the next deployment starts it"
                );
                say(Trouble::Stopped, why, Vec::new());
                continue;
            }
            if let Some(Record { deaths, how, last_lines, is_stuck, .. }) = self.records.get(name) {
                if *is_stuck && !standing.is_well() {
                    say(Trouble::NotPutBack, format!("{name} could not be put back: {how}"), last_lines.clone());
                } else if deaths.keeps_dying() {
                    let why = format!("{name} keeps dying: {how}, {} times", deaths.count());
                    say(Trouble::KeepsDying, why, last_lines.clone());
                }
            }
            let is_unhealthy =
                |one: &Standing| one.container().is_some_and(|c| c.is_running() && c.health == Health::Unhealthy);
            if standing.replicas.values().any(is_unhealthy) {
                say(Trouble::Unhealthy, format!("{name} runs, but its health check fails"), Vec::new());
            }
        }
        all
    }

    /// When there may be something new to be seen or done without any event.
    pub fn next_look_ms(&self, now_ms: i64) -> Option<i64> {
        let settled =
            self.down.values().filter(|down| !down.counted).map(|down| down.since_ms + SETTLE.as_millis() as i64);
        let is_down = |name: &ComponentName| self.down.keys().any(|(other, _)| other == name);
        let tries =
            self.records.iter().filter(|(name, _)| is_down(name)).map(|(_, record)| record.deaths.next_try_ms());
        let well = self.records.values().filter_map(|record| record.deaths.well_ms());
        let whole = (self.whole.deaths.count() > 0).then(|| self.whole.deaths.next_try_ms());
        settled.chain(tries).chain(well).chain(whole).map(|at| at.max(now_ms)).min()
    }
}

fn stopped(standing: &ComponentStanding<'_>) -> Option<&'static str> {
    let mut by_hand = standing.replicas.values().filter_map(|one| match one {
        Standing::ByHand(container) => Some(container.state),
        _ => None,
    });
    by_hand.next().map(|state| if state == ContainerState::Paused { "paused" } else { "stopped" })
}

/// `exited with code 3`
fn how(standing: Standing<'_>) -> Option<String> {
    match standing {
        Standing::Missing => Some("its container was removed".into()),
        Standing::Died(container) => match container.state {
            ContainerState::Exited { .. } if container.oom_killed => Some("it was killed for want of memory".into()),
            ContainerState::Exited { code } => Some(format!("it exited with code {code}")),
            ContainerState::Dead => Some("its container is dead".into()),
            // It was made and could not be started: the try to do so says why.
            _ => None,
        },
        _ => None,
    }
}
