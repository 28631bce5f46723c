//! Waiting until a container is ready: looks and probes, judged by [`super::ready`].

use super::connect::{ApiVersion, DockerEngine};
use super::containers::status_of;
use super::ready::{Check, Failure, Look, Next, Probe, Probed, Run, State, Waiting};
use super::service::Existing;
use crate::engine::{EngineError, Outcome, Supplies};
use crate::model::{Mask, Quoted};
use crate::plan::{Readiness, listens_instead};
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often a container is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long after a probe the next one begins.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// The engine's own where a health check names no time.
const ENGINE_CHECK_TIME: Duration = Duration::from_secs(30);

/// How much of what a container said goes with a failure.
const LAST_LINES: usize = 20;

/// How long what a container wrote last may be under way after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl DockerEngine {
    pub(super) async fn wait_ready(
        &self,
        target: Existing<'_>,
        readiness: &Readiness,
        supplies: &dyn Supplies,
    ) -> Result<Outcome, EngineError> {
        if !readiness.follow {
            return self.until_ready(target, readiness, supplies).await;
        }
        let (id, name) = (target.id, target.name.clone());
        let tell = |line: &str| supplies.progress(&format!("{name} | {}", Quoted(line)));
        let following = async {
            if let Err(error) = self.follow_lines(id, &supplies.mask(), &tell).await {
                supplies.progress(&format!("{name}: what it writes cannot be followed any further: {error}"));
            }
        };
        let (mut following, mut ready) = (following.boxed(), self.until_ready(target, readiness, supplies).boxed());
        tokio::select! {
            ended = &mut ready => {
                let _ = tokio::time::timeout(LAST_WORDS, following).await;
                ended
            }
            () = &mut following => ready.await,
        }
    }

    async fn until_ready(
        &self,
        target: Existing<'_>,
        readiness: &Readiness,
        supplies: &dyn Supplies,
    ) -> Result<Outcome, EngineError> {
        let api = self.api().await?;
        // Of what a check says only the end is told: nobody would recognise the half of a secret.
        let mask = supplies.mask();
        let began = Instant::now();
        let mut waiting = Waiting::new(readiness);
        let mut probe: Option<BoxFuture<'_, Probed>> = None;
        let mut probe_from = began;
        let mut told = String::new();
        loop {
            let found = self.look_up(target.id).await?;
            let look = found.as_ref().map_or_else(gone, |found| look(found, api, self.local, &mask));
            match waiting.look(&look, began.elapsed()) {
                Next::Ready { note } => return Ok(Outcome { note, ..Outcome::default() }),
                Next::Failed(failure) => return Err(self.not_ready(target, failure, found.as_ref()).await),
                Next::Wait(wanted) => {
                    if let Some(word) = what_is_waited_for(&wanted, &look).filter(|word| *word != told) {
                        supplies.progress(&format!("{}: {word}", target.name));
                        told = word;
                    }
                    if probe.is_none() && Instant::now() >= probe_from {
                        probe = match (wanted, found) {
                            (Probe::Exec(check), Some(_)) => Some(self.try_check(target.id, check).boxed()),
                            (Probe::Ports(ports), Some(found)) => Some(self.try_ports(found, ports).boxed()),
                            _ => None,
                        };
                    }
                }
            }
            let probed = async {
                match probe.as_mut() {
                    Some(probe) => probe.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                result = probed => {
                    waiting.probed(result.masked(&mask));
                    probe = None;
                    probe_from = Instant::now() + PROBE_EVERY;
                }
            }
        }
    }

    async fn not_ready(
        &self,
        target: Existing<'_>,
        mut failure: Failure,
        found: Option<&ContainerInspectResponse>,
    ) -> EngineError {
        if let (Failure::CrashLoop { run: run @ None, .. }, Some(found)) = (&mut failure, found) {
            *run = self.last_end(target.id, found).await;
        }
        let last_lines = match self.lines(target.id, LAST_LINES).await {
            Ok(lines) => lines,
            Err(EngineError::NotFound { .. }) => Vec::new(),
            Err(error) => vec![format!("(its log could not be read: {error})")],
        };
        let mut why = failure.sentence();
        if let Failure::Late { ports, .. } = &failure
            && !ports.is_empty()
            && let Ok(Some(listeners)) = self.listeners_of(target.id).await
        {
            why.push_str(&format!("; {}", listens_instead(&ports.iter().copied().collect(), &listeners)));
        }
        let has_ended = matches!(failure, Failure::Ended { .. } | Failure::CrashLoop { .. });
        EngineError::NotReady { container: target.name.to_string(), why, last_lines, has_ended }
    }

    /// How the run before the present one ended: the engine forgets that at the next start, but its events tell.
    async fn last_end(&self, id: &str, found: &ContainerInspectResponse) -> Option<Run> {
        let state = found.state.as_ref()?;
        let ended: jiff::Timestamp = state.finished_at.as_deref()?.parse().ok()?;
        let since = ended.as_second() - 1;
        let filters = HashMap::from([
            ("container".to_string(), vec![id.to_string()]),
            ("event".to_string(), vec!["die".to_string()]),
        ]);
        let options = EventsOptionsBuilder::new()
            .since(&since.to_string())
            .until(&(ended.as_second() + 1).to_string())
            .filters(&filters)
            .build();
        let events = self.client().events(Some(options)).try_collect::<Vec<_>>();
        let events = tokio::time::timeout(Duration::from_secs(2), events).await.ok()?.ok()?;
        let attributes = events.into_iter().next_back()?.actor?.attributes?;
        Some(Run { code: attributes.get("exitCode")?.parse().ok()?, took: None })
    }
}

fn what_is_waited_for(probe: &Probe, look: &Look) -> Option<String> {
    match (probe, look.state) {
        (_, State::Paused) => Some("waiting: it is paused".into()),
        (Probe::Exec(_), _) => Some("waiting for its health check to succeed".into()),
        (Probe::Ports(ports), _) => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            Some(format!("waiting for an answer on port {}", ports.join(" or ")))
        }
        (Probe::Nothing, _) => None,
    }
}

fn gone() -> Look {
    Look {
        state: State::Gone,
        health: crate::model::Health::None,
        health_output: None,
        check: None,
        restarts: 0,
        oom_killed: false,
        memory_limit_bytes: 0,
        up_for: None,
        exposed: Vec::new(),
    }
}

fn look(found: &ContainerInspectResponse, api: ApiVersion, same_clock: bool, mask: &Mask) -> Look {
    let state = found.state.clone().unwrap_or_default();
    let config = found.config.clone().unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let started = time(&state.started_at);
    let took = match (started, time(&state.finished_at)) {
        // A process that ends at once may have ended before the engine noted its start.
        (Some(started), Some(finished)) => {
            Some(Duration::try_from(finished.duration_since(started)).unwrap_or_default())
        }
        _ => None,
    };
    let run = Run { code: state.exit_code.unwrap_or_default(), took };
    let health = state.health.clone().unwrap_or_default();
    let last_check = health.log.unwrap_or_default().into_iter().next_back();
    let mut exposed: Vec<u16> = config
        .exposed_ports
        .iter()
        .flatten()
        .filter_map(|port| port.strip_suffix("/tcp").or_else(|| (!port.contains('/')).then_some(port))?.parse().ok())
        .collect();
    exposed.sort_unstable();
    let up_for = started.filter(|_| same_clock).map(|started| jiff::Timestamp::now().duration_since(started));
    Look {
        state: match status_of(found) {
            Some(Status::CREATED) => State::Created,
            Some(Status::RUNNING | Status::STOPPING) => State::Running,
            Some(Status::PAUSED) => State::Paused,
            Some(Status::RESTARTING) => State::Restarting(run),
            Some(Status::REMOVING) => State::Gone,
            Some(Status::EXITED | Status::DEAD) => State::Ended(run),
            Some(Status::EMPTY) | None if state.running == Some(true) => State::Running,
            Some(Status::EMPTY) | None => State::Ended(run),
        },
        health: super::observed::health(&state),
        health_output: last_check
            .and_then(|check| check.output)
            .filter(|output| !output.trim().is_empty())
            .map(|output| mask.apply(whole_words(&output))),
        check: check(found, api),
        restarts: found.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        memory_limit_bytes: found.host_config.as_ref().and_then(|host| host.memory).unwrap_or_default(),
        up_for: up_for.and_then(|up_for| Duration::try_from(up_for).ok()),
        exposed,
    }
}

/// The engine keeps so many bytes of what a check said.
const KEPT_OUTPUT: usize = 4096;

/// Without the half of a word at which the engine cut.
fn whole_words(output: &str) -> &str {
    match output.len() >= KEPT_OUTPUT {
        true => output.rsplit_once(char::is_whitespace).map_or(output, |(whole, _)| whole),
        false => output,
    }
}

/// The health check's command, unless the engine tries it often enough by itself while the container starts.
fn check(found: &ContainerInspectResponse, api: ApiVersion) -> Option<Check> {
    let config = found.config.as_ref()?;
    let health = config.healthcheck.as_ref()?;
    let nanos = |time: Option<i64>| {
        time.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0).map(Duration::from_nanos)
    };
    let leave_it = api >= ApiVersion::START_INTERVAL && nanos(health.start_interval).is_some();
    if leave_it || nanos(health.interval).is_some_and(|interval| interval <= PROBE_EVERY) {
        return None;
    }
    let test = health.test.as_deref()?;
    let command = match test.split_first()? {
        (kind, command) if kind == "CMD" => command.to_vec(),
        (kind, line) if kind == "CMD-SHELL" => {
            let shell = config.shell.clone().filter(|shell| !shell.is_empty());
            let mut command = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
            command.extend(line.first().cloned());
            command
        }
        _ => return None,
    };
    let timeout = nanos(health.timeout).unwrap_or(ENGINE_CHECK_TIME);
    (!command.is_empty()).then_some(Check { command, timeout })
}
