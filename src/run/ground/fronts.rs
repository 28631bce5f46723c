//! The fronts of all environments, as this server knows them: how each is reached, and what it serves.
//!
//! A front changes what it serves only when it is told to, and nobody but this server tells it. So it is asked once, and
//! then known until its container is another one, or a question failed.

use crate::edge::{
    ByteStream, Dial, EdgeClient, EdgeError, FRONT_RENEWED, FRONT_SETTINGS, FrontSettings, Health, Renewed,
    first_routes,
};
use crate::engine::{Engine, EngineError};
use crate::model::{
    ComponentRoutes, ComponentTraffic, ContainerState, EdgeSettings, EnvironmentName, Listen, Observed, ObservedFront,
    ProjectName, RouteEntry, RouteKey, Traffic,
};
use crate::run::ground::step_error::StepError;
use futures_util::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Fronts that are asked at once: each question is a process in its container.
const AT_ONCE: usize = 8;
/// How often a front is asked for what it has counted.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// A front that was started answers within this time, also on a host that has much to do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// What it said last, where it does not come up.
const LAST_LINES: usize = 3;
/// A front that does not answer may be about to be started again by its engine.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// The fronts that run, and how each is spoken to.
pub struct Fronts {
    engine: Arc<dyn Engine>,
    /// By the engine's id of the container.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone)]
struct Known {
    key: RouteKey,
    client: EdgeClient,
    /// What it said of itself; `None`: not known.
    serves: Option<Serves>,
    /// When its container was started, as far as that was seen.
    started_ms: Option<i64>,
    /// How often that was changed here.
    told: u64,
    /// What it has counted, and when it said so.
    counted: Option<(Instant, Traffic)>,
    runs: bool,
}

#[derive(Clone)]
struct Serves {
    routes: ComponentRoutes,
    program: Option<String>,
    moved_ms: Option<i64>,
}

struct Way {
    engine: Arc<dyn Engine>,
    container: String,
    key: RouteKey,
}

#[async_trait::async_trait]
impl Dial for Way {
    async fn dial(&self) -> anyhow::Result<Box<dyn ByteStream>> {
        Ok(Box::new(self.engine.dial_front(&self.container).await?))
    }

    fn name(&self) -> String {
        format!("the front of {}", self.key.component)
    }

    fn container(&self) -> &str {
        self.container.get(..12).unwrap_or(&self.container)
    }
}

impl Fronts {
    /// None is known yet.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, known: Mutex::default() }
    }

    /// Adds what each front of the environment serves, as far as it answers.
    pub async fn observe(&self, project: &ProjectName, environment: &EnvironmentName, observed: &mut Observed) {
        self.forget_others(project, environment, &observed.fronts);
        let asked = futures_util::stream::iter(observed.fronts.iter_mut());
        asked
            .for_each_concurrent(AT_ONCE, async |front| {
                let container = &front.container;
                let key = RouteKey {
                    project: project.clone(),
                    environment: environment.clone(),
                    component: container.component.clone(),
                };
                let runs = container.state == ContainerState::Running;
                let known = self.know(key, &container.id, runs, container.started_ms);
                if !runs {
                    return;
                }
                let serves = match known.serves.clone() {
                    Some(serves) => Some(serves),
                    None => {
                        self.ask(&known).await.ok().inspect(|serves| self.note_as_of(&container.id, &known, serves))
                    }
                };
                if let Some(Serves { routes, program, moved_ms }) = serves {
                    (front.routes, front.program, front.moved_ms) = (Some(routes), program, moved_ms);
                }
            })
            .await;
    }

    /// What becomes of a component behind its front; what is no way in of the front's is left out. Nothing where no front
    /// runs for it and none has to.
    pub async fn change(&self, key: &RouteKey, routes: &ComponentRoutes) -> Result<(), StepError> {
        let inside = inside(routes);
        let fronts: Vec<(String, Known)> = self.running(key);
        if fronts.is_empty() && !inside.entries.is_empty() {
            let why = format!("no front of {} runs", key.component);
            return Err(EngineError::Refused { attempted: "lead its callers".into(), why }.into());
        }
        for (container, known) in fronts {
            // Also when it is not known whether it was made, it is asked again.
            self.note(&container, None);
            let changes = [(key.clone(), Some(inside.clone()))];
            let end = Instant::now() + BACK_WITHIN;
            loop {
                match known.client.change(&changes).await {
                    Ok(()) => break,
                    Err(error) if error.is_away() && Instant::now() < end => tokio::time::sleep(ASK_AGAIN).await,
                    Err(error) => return Err(error.into()),
                }
            }
            let known = known.serves.filter(|serves| serves.program.is_some());
            self.note(&container, known.map(|known| Serves { routes: as_inside(inside.clone()), ..known }));
        }
        Ok(())
    }

    /// Tells a front that does not run what to serve, starts it, and waits until it does.
    pub async fn start(
        &self,
        key: &RouteKey,
        container: &str,
        routes: &ComponentRoutes,
        settings: &EdgeSettings,
        start: impl Future<Output = Result<(), EngineError>>,
    ) -> Result<(), StepError> {
        let settings = serde_json::to_vec_pretty(&FrontSettings::of(settings)).map_err(untold)?;
        let (file, table) = first_routes(vec![(key.clone(), inside(routes))]).map_err(untold)?;
        self.engine.tell_front(container, &[(FRONT_SETTINGS, settings), (file, table)]).await?;
        start.await?;
        let known = self.know(key.clone(), container, true, None);
        self.note(container, None);
        let end = Instant::now() + ANSWERS_WITHIN;
        loop {
            match self.ask_when_open(&known).await {
                Ok(serves) => {
                    self.note(container, Some(serves));
                    return Ok(());
                }
                Err(_) if Instant::now() < end => tokio::time::sleep(ASK_AGAIN).await,
                Err(error) => {
                    let lines = self.engine.last_lines(container, LAST_LINES).await.unwrap_or_default();
                    let why = match lines.is_empty() {
                        true => error.to_string(),
                        false => format!("{error}; its last lines: {}", lines.join(" | ")),
                    };
                    let attempted = format!("start the front of {}", key.component);
                    return Err(EngineError::Refused { attempted, why }.into());
                }
            }
        }
    }

    /// Has a front go on with the program that runs here, and waits until it does.
    pub async fn renew(&self, container: &str) -> Result<(), StepError> {
        let Some(program) = self.engine.front_program().await? else { return Ok(()) };
        let command = self.engine.give_front_program(container).await?;
        let renewed = serde_json::to_vec(&Renewed { program: program.clone(), command }).map_err(untold)?;
        self.engine.tell_front(container, &[(FRONT_RENEWED, renewed)]).await?;
        self.engine.wake_front(container).await?;
        self.note(container, None);
        let known = self.locked().get(container).cloned();
        let Some(known) = known else { return Ok(()) };
        let end = Instant::now() + ANSWERS_WITHIN;
        loop {
            let answer = known.client.health().await;
            match answer {
                Ok(Health { program: Some(runs), .. }) if runs == program => return Ok(()),
                _ if Instant::now() < end => tokio::time::sleep(ASK_AGAIN).await,
                Ok(_) => {
                    let why = "it still runs the program of before; `docker logs` of it tells why".to_string();
                    return Err(EngineError::Refused { attempted: "renew a front's program".into(), why }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What fronts have counted since their start: those that were not asked for a while are asked, as far as they answer
    /// in time; of the others it is what they said last.
    pub async fn traffic(&self, within: Duration) -> Traffic {
        let is_due =
            |known: &Known| known.runs && known.counted.as_ref().is_none_or(|(at, _)| at.elapsed() >= COUNTED_FOR);
        let due: Vec<(String, Known)> = {
            let known = self.locked();
            let due = known.iter().filter(|(_, known)| is_due(known));
            due.map(|(id, known)| (id.clone(), known.clone())).collect()
        };
        let asking = futures_util::stream::iter(due).for_each_concurrent(AT_ONCE, async |(id, known)| {
            if let Ok(traffic) = known.client.traffic().await
                && let Some(known) = self.locked().get_mut(&id)
            {
                known.counted = Some((Instant::now(), traffic));
            }
        });
        let _ = tokio::time::timeout(within, asking).await;
        let known = self.locked();
        let counted = known.values().filter(|known| known.runs).filter_map(|known| known.counted.as_ref());
        let mut sums: BTreeMap<RouteKey, ComponentTraffic> = BTreeMap::new();
        for (key, component) in counted.flat_map(|(_, traffic)| traffic.components.clone()) {
            sums.entry(key).or_default().add(component);
        }
        Traffic { components: sums.into_iter().collect() }
    }

    /// Those that run for a component.
    pub fn clients(&self, key: &RouteKey) -> Vec<EdgeClient> {
        self.running(key).into_iter().map(|(_, known)| known.client).collect()
    }

    /// Once all of its ports are open.
    async fn ask_when_open(&self, known: &Known) -> Result<Serves, EdgeError> {
        let closed = known.client.health().await?.listeners.into_iter().find_map(|listener| {
            let problem = listener.problem?;
            Some(EdgeError::Refused {
                status: 503,
                detail: format!("it cannot open port {}: {problem}", listener.address.port),
            })
        });
        match closed {
            Some(problem) => Err(problem),
            None => self.ask(known).await,
        }
    }

    async fn ask(&self, known: &Known) -> Result<Serves, EdgeError> {
        let Health { program, moved_ms, .. } = known.client.health().await?;
        let table = known.client.routes().await?;
        let own = table.components.into_iter().find(|(key, _)| *key == known.key);
        let routes = as_inside(own.map(|(_, routes)| routes).unwrap_or_default());
        Ok(Serves { routes, program, moved_ms })
    }

    fn know(&self, key: RouteKey, container: &str, runs: bool, started_ms: Option<i64>) -> Known {
        let mut known = self.locked();
        let one = known.entry(container.to_string()).or_insert_with(|| {
            let way = Way { engine: self.engine.clone(), container: container.into(), key: key.clone() };
            Known {
                key,
                client: EdgeClient::of_front(Arc::new(way)),
                serves: None,
                started_ms,
                told: 0,
                counted: None,
                runs,
            }
        });
        // Started anew between two looks, it is not what it was.
        let is_anew = one.started_ms.is_some() && started_ms.is_some() && one.started_ms != started_ms;
        if one.runs != runs || is_anew {
            (one.runs, one.serves) = (runs, None);
        }
        one.started_ms = started_ms;
        one.clone()
    }

    fn note(&self, container: &str, serves: Option<Serves>) {
        if let Some(known) = self.locked().get_mut(container) {
            known.serves = serves;
            known.told += 1;
        }
    }

    /// What it said, unless it was told something since it was asked.
    fn note_as_of(&self, container: &str, asked: &Known, serves: &Serves) {
        if let Some(known) = self.locked().get_mut(container).filter(|known| known.told == asked.told) {
            known.serves = Some(serves.clone());
        }
    }

    fn running(&self, key: &RouteKey) -> Vec<(String, Known)> {
        let known = self.locked();
        let running = known.iter().filter(|(_, known)| known.runs && known.key == *key);
        running.map(|(id, known)| (id.clone(), known.clone())).collect()
    }

    /// Of the environment only these are there.
    fn forget_others(&self, project: &ProjectName, environment: &EnvironmentName, there: &[ObservedFront]) {
        self.locked().retain(|id, known| {
            let is_own = known.key.project == *project && known.key.environment == *environment;
            !is_own || there.iter().any(|front| front.container.id == *id)
        });
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn untold(error: impl std::fmt::Display) -> EngineError {
    EngineError::Refused { attempted: "tell a front what it is to do".into(), why: error.to_string() }
}

/// As a front takes it: its ways in are ports of its own, and it finds replicas by their ids.
fn inside(routes: &ComponentRoutes) -> ComponentRoutes {
    let entries = routes.entries.iter().filter_map(|entry| match entry.listen {
        Listen::Inside { port, protocol } => {
            Some(RouteEntry { listen: Listen::Port { host_ip: None, port, protocol }, target: entry.target })
        }
        _ => None,
    });
    let mut inside = ComponentRoutes { entries: entries.collect(), ..routes.clone() };
    inside.releases.iter_mut().flat_map(|release| &mut release.replicas).for_each(|replica| replica.address = None);
    inside
}

/// What a front says it serves, as the planner knows it.
fn as_inside(mut routes: ComponentRoutes) -> ComponentRoutes {
    for entry in &mut routes.entries {
        if let Listen::Port { port, protocol, .. } = entry.listen {
            entry.listen = Listen::Inside { port, protocol };
        }
    }
    routes
}
