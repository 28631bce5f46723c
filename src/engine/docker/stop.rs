//! Stopping, with an eye on what it cost.

use super::connect::DockerEngine;
use super::containers::status_of;
use super::service::Existing;
use super::settings::whole_seconds;
use crate::engine::{EngineError, Outcome};
use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::StopContainerOptionsBuilder;
use std::time::{Duration, Instant};

/// The engine's own grace period where neither the container nor the caller says one.
const ENGINE_GRACE: Duration = Duration::from_secs(10);

/// The exit code of what SIGKILL ended.
const KILLED: i64 = 128 + 9;

impl DockerEngine {
    /// Sends the stop signal and, after `grace`, SIGKILL. Whoever stops waiting leaves the engine stopping it.
    pub(super) async fn stop_container(
        &self,
        target: Existing<'_>,
        grace: Option<Duration>,
    ) -> Result<Outcome, EngineError> {
        let Some(found) = self.look_up(target.id).await? else { return Ok(Outcome::default()) };
        let attempted = format!("stop container {}", target.name);
        if status_of(&found) == Some(ContainerStateStatusEnum::PAUSED) {
            // A paused process cannot act on the signal.
            let answer = self.change(&attempted, self.client().unpause_container(target.id)).await;
            answer.or_else(|denied| if denied.says("not paused") { Ok(()) } else { Err(denied) })?;
        }
        let config = found.config.unwrap_or_default();
        let own = config.stop_timeout.map(|seconds| u64::try_from(seconds).map(Duration::from_secs));
        let allowed = match (grace, own) {
            (Some(grace), _) => Some(grace),
            (None, Some(Ok(own))) => Some(own),
            // A negative time is the engine's word for "for ever".
            (None, Some(Err(_))) => None,
            (None, None) => Some(ENGINE_GRACE),
        };
        let mut options = StopContainerOptionsBuilder::new();
        if let Some(grace) = grace {
            options = options.t(i32::try_from(whole_seconds(grace)).unwrap_or(i32::MAX));
        }
        let limit = allowed.unwrap_or(Duration::from_secs(24 * 3600)) + self.patience * 2;
        let began = Instant::now();
        let patient = self.docker().with_timeout(limit);
        match self.within(limit, attempted, patient.stop_container(target.id, Some(options.build()))).await {
            Ok(()) => {}
            Err(denied) if denied.is_not_found() => return Ok(Outcome::default()),
            Err(denied) => return Err(denied.into()),
        }
        let took = began.elapsed();
        let ran = matches!(
            found.state.and_then(|state| state.status),
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED)
        );
        let Some(allowed) = allowed.filter(|allowed| ran && !allowed.is_zero() && took >= *allowed) else {
            return Ok(Outcome::default());
        };
        let after = self.look_up(target.id).await?.and_then(|found| found.state);
        let killed = after.and_then(|state| state.exit_code) == Some(KILLED);
        let signal = config.stop_signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".into());
        Ok(Outcome { note: killed.then(|| ignored(&signal, allowed, took)), ..Outcome::default() })
    }
}

fn ignored(signal: &str, allowed: Duration, took: Duration) -> String {
    format!(
        "it ignored {signal} and was killed after its whole grace period of {} s (stopping took {:.1} s). A program that is process 1 must handle the signal itself, or run below an init (`init: true`)",
        allowed.as_secs_f32(),
        took.as_secs_f32()
    )
}
