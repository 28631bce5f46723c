//! Looking after what is live while nothing is deployed: when each environment is looked at. Events of the engine and
//! the end of a deployment bring a look forward; without them there is one every minute all the same.

use crate::engine::{EngineError, Happening};
use crate::model::{EnvironmentName, ProjectName, label};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::keyed_tasks::KeyedTasks;
use crate::run::ground::place::Place;
use crate::run::keep::look;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Events come in groups: a stop is a kill, an end and a stop.
const GROUP: Duration = Duration::from_millis(300);
/// How often an engine that is heard no more is asked whether it is back.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
const STILL_ANSWERS: Duration = Duration::from_millis(400);
/// An engine that ends stops its containers first, and says so as if somebody had stopped them.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// How long looks may take to notice that the process ends.
const REST: Duration = Duration::from_secs(5);

/// Looks after every environment until the process ends.
pub async fn keep(deployer: Arc<Deployer>) {
    tokio::select! {
        () = deployer.stop.cancelled() => return,
        () = deployer.keeping.begun.cancelled() => {}
    }
    let mut looks: KeyedTasks<Place> = KeyedTasks::new();
    while !deployer.stop.is_cancelled() {
        let next = begin_looks(&deployer, &mut looks);
        tokio::select! {
            () = deployer.stop.cancelled() => {}
            () = deployer.keeping.woken.notified() => {}
            () = looks.ended() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
    // What is in the middle of a step comes to rest; the next start looks again anyway.
    let _ = tokio::time::timeout(REST, looks.all_ended()).await;
}

/// Begins the looks that are due, and returns when the next one is.
fn begin_looks(deployer: &Arc<Deployer>, looks: &mut KeyedTasks<Place>) -> Instant {
    let now = Instant::now();
    let config = deployer.config();
    let places = config
        .projects
        .values()
        .flat_map(|project| project.environments.keys().map(|environment| (project.name.clone(), environment.clone())));
    let mut due = deployer.keeping.due.lock().unwrap_or_else(PoisonError::into_inner);
    let mut next = now + LOOK_EVERY;
    for place in places {
        if looks.is_busy(&place) {
            continue;
        }
        let at = due.entry(place.clone()).or_insert(now);
        if *at > now {
            next = next.min(*at);
            continue;
        }
        *at = now + LOOK_EVERY;
        let deployer = deployer.clone();
        looks.begin(place.clone(), async move {
            if let Some(again) = look::look(&deployer, &place).await {
                deployer.keeping.look_at(&place, again);
            }
        });
    }
    next
}

/// Listens to the engine, so that a look comes soon after something happened.
pub async fn listen(deployer: Arc<Deployer>) {
    let heard = |happening: Happening| {
        if matches!(happening.what.as_str(), "die" | "destroy") {
            deployer.admissions.something_ended();
        }
        if let Some(place) = place_of(&deployer, &happening) {
            deployer.keeping.hear(&happening);
            deployer.keeping.look_at(&place, GROUP);
        }
    };
    loop {
        let why = tokio::select! {
            () = deployer.stop.cancelled() => return,
            why = deployer.engine.listen(&heard) => why,
        };
        tracing::debug!(error = why.with_place(), "The engine is heard no more; it is looked at every minute");
        let EngineError::Unavailable { endpoint, .. } = &why else {
            // It is there, and does not let us listen.
            tokio::select! {
                () = deployer.stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => continue,
            }
        };
        deployer.keeping.outages.lost();
        // A socket of this machine ends with the engine, which may be back within half a second.
        if !endpoint.starts_with("unix:") && is_there(&deployer).await {
            // Something between us and it has closed the stream.
            deployer.keeping.outages.was_none();
            deployer.keeping.look_everywhere();
            continue;
        }
        deployer.keeping.forget_endings();
        let since = now_ms() - LAST_WORDS.as_millis() as i64;
        if let Err(error) = deployer.store.forget_stopped_since(since).await {
            tracing::warn!(error = %error, "What was stopped by hand may have been stopped by the engine's own end");
        }
        let back = async {
            loop {
                tokio::time::sleep(LISTEN_AGAIN).await;
                if deployer.engine.info().await.is_ok() {
                    break;
                }
            }
        };
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = back => deployer.keeping.outages.back(),
        }
        // Whatever happened meanwhile, nobody told.
        deployer.keeping.look_everywhere();
    }
}

/// An engine that begins to end still answers for a moment.
async fn is_there(deployer: &Deployer) -> bool {
    for _ in 0..2 {
        tokio::time::sleep(STILL_ANSWERS).await;
        if !matches!(tokio::time::timeout(LISTEN_AGAIN, deployer.engine.info()).await, Ok(Ok(_))) {
            return false;
        }
    }
    true
}

/// The environment that a container belongs to.
fn place_of(deployer: &Deployer, happening: &Happening) -> Option<Place> {
    let label = |key: &str| happening.labels.get(key).cloned();
    if let (Some(project), Some(environment)) = (label(label::PROJECT), label(label::ENVIRONMENT)) {
        return Some((ProjectName::new(project).ok()?, EnvironmentName::new(environment).ok()?));
    }
    let compose_project = label(label::COMPOSE_PROJECT)?;
    let config = deployer.config();
    config.projects.values().find_map(|project| {
        let found = project.environments.values().find(|one| one.compose_project == compose_project)?;
        Some((project.name.clone(), found.name.clone()))
    })
}
