//! What all parts of the flow share: settings, store, engine, mirrors, and who runs where.

use super::already::DeployedCommits;
use super::approval::WrongCodes;
use super::beyond::Beyonds;
use super::build_slots::BuildSlots;
use super::collect::Collecting;
use super::fronts::Fronts;
use super::image_names::ImageNames;
use super::keep::Keeping;
use super::log::Logs;
use super::masks::Masks;
use super::metrics::Metrics;
use super::promised::Admissions;
use super::reading::Readers;
use super::traffic_past::TrafficPast;
use super::works::Works;
use crate::build::{Builder, ContentKeys};
use crate::config::{Config, Environment, Project};
use crate::engine::{Engine, HeldNames, Scope};
use crate::forge::statuses::StatusClients;
use crate::model::{DeploymentId, EnvironmentName, Mask, ProjectName};
use crate::source::Mirrors;
use crate::store::Store;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An environment.
pub type Place = (ProjectName, EnvironmentName);

/// One server's working parts.
pub struct Deployer {
    settings: RwLock<Settings>,
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    /// BuildKit on the same engine.
    pub builder: Builder,
    pub content_keys: ContentKeys,
    pub mirrors: Mirrors,
    /// What reads commits.
    pub readers: Readers,
    pub logs: Logs,
    /// What hides the secrets of each environment.
    pub masks: Masks,
    pub status_clients: StatusClients,
    running: Mutex<HashMap<(ProjectName, EnvironmentName), Control>>,
    pub deployed_commits: DeployedCommits,
    /// Looking after what is live.
    pub keeping: Keeping,
    /// Taking away what is not needed any more.
    pub collecting: Collecting,
    /// Held while a deployment makes sure that no other environment wants what it is about to take.
    pub claiming: tokio::sync::Mutex<()>,
    /// Deliveries wait to be judged.
    pub to_judge: Notify,
    /// Deployments wait to be begun.
    pub to_begin: Notify,
    /// Statuses wait to be sent.
    pub to_send: Notify,
    /// Hooks on the server wait to be told of something.
    pub to_run_hooks: Notify,
    /// Tips are to be compared with what was received.
    pub to_compare: Notify,
    pub traffic_past: TrafficPast,
    /// What owns components' names inside their environments.
    pub fronts: Arc<Fronts>,
    pub metrics: Metrics,
    /// The record of what work takes.
    pub works: Works,
    /// Somebody promoted a canary.
    pub to_promote: Notify,
    /// Who was let in, and waits for room on the host.
    pub admissions: Admissions,
    pub build_slots: BuildSlots,
    /// Tags of images that are being built: two builds of one commit for two environments have the same.
    pub building: HeldNames,
    pub image_names: ImageNames,
    pub deployment_slots: Arc<Semaphore>,
    pub wrong_codes: WrongCodes,
    /// How many turns for a slot were given since the process began.
    pub turns_given: AtomicU64,
    /// Fires when the process is to end: no new work is begun, and nothing is put back because of it.
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    /// What live releases use beyond the settings.
    pub beyonds: Beyonds,
    /// What an earlier version made on the engine is known.
    pub looked_back: tokio::sync::OnceCell<()>,
}

/// The settings, and what hides their secrets.
struct Settings {
    config: Arc<Config>,
    mask: Mask,
}

impl Settings {
    fn new(config: Arc<Config>) -> Self {
        Self { mask: Mask::new(&config.secrets()), config }
    }
}

/// By which others reach a running deployment.
#[derive(Clone)]
pub struct Control {
    pub id: DeploymentId,
    /// Somebody cancelled it, or the process ends.
    pub cancel: CancellationToken,
    /// A newer push waits: do not watch any longer than needed.
    pub hurry: CancellationToken,
    /// No deployment: what is live is looked after, and gives way at once.
    pub keeping: bool,
}

/// The parts that a deployer is made of.
pub struct Parts {
    pub config: Arc<Config>,
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    pub builder: Builder,
    pub status_clients: StatusClients,
    /// This program: what reads commits is the same once more.
    pub program: PathBuf,
}

impl Deployer {
    pub fn new(parts: Parts) -> std::io::Result<Arc<Self>> {
        let Parts { config, store, engine, builder, status_clients, program } = parts;
        engine.sign_in(config.registries.clone());
        let tasks = TaskTracker::new();
        let fronts = Arc::new(Fronts::new(engine.clone()));
        Ok(Arc::new(Self {
            mirrors: Mirrors::new(config.data.join("mirrors")),
            readers: Readers::new(program, &config.data),
            logs: Logs::new(&config.data)?,
            masks: Masks::default(),
            build_slots: BuildSlots::new(config.limits.builds),
            building: HeldNames::default(),
            image_names: ImageNames::default(),
            wrong_codes: WrongCodes::default(),
            turns_given: AtomicU64::new(0),
            deployment_slots: Arc::new(Semaphore::new(config.limits.deployments)),
            settings: RwLock::new(Settings::new(config)),
            works: Works::new(store.clone(), tasks.clone()),
            store,
            engine,
            builder,
            content_keys: ContentKeys::default(),
            status_clients,
            running: Mutex::default(),
            deployed_commits: DeployedCommits::default(),
            keeping: Keeping::default(),
            collecting: Collecting::default(),
            claiming: tokio::sync::Mutex::default(),
            to_judge: Notify::new(),
            to_begin: Notify::new(),
            to_send: Notify::new(),
            to_run_hooks: Notify::new(),
            to_compare: Notify::new(),
            traffic_past: TrafficPast::default(),
            fronts,
            metrics: Metrics::default(),
            to_promote: Notify::new(),
            admissions: Admissions::default(),
            stop: CancellationToken::new(),
            tasks,
            beyonds: Beyonds::default(),
            looked_back: tokio::sync::OnceCell::new(),
        }))
    }

    /// The settings as they are now.
    pub fn config(&self) -> Arc<Config> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Settings that were read again. Address, data directory and limits stay until the next start.
    pub fn set_config(self: &Arc<Self>, config: Arc<Config>) {
        self.engine.sign_in(config.registries.clone());
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Settings::new(config);
        self.to_begin.notify_one();
        self.to_judge.notify_one();
        self.to_send.notify_one();
        self.beyonds.settings_changed();
        self.learn_anew();
    }

    /// Somebody has put something right: what failed for a reason that others must remove is not put off any longer.
    pub async fn try_again_what_waits(&self) {
        if let Err(error) = self.store.put_off_no_longer().await {
            tracing::error!(error = %error, "What was put off cannot be tried again now");
        }
        self.to_judge.notify_one();
        self.to_send.notify_one();
        self.to_compare.notify_one();
    }

    /// What hides the secrets of the settings: for what is said of no environment. See [`Self::mask_of`].
    pub fn mask(&self) -> Mask {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).mask.clone()
    }

    /// Takes the environment for a deployment; `None` while another one runs there.
    pub fn occupy(&self, place: (ProjectName, EnvironmentName), id: DeploymentId) -> Option<Control> {
        self.take(place, id, false)
    }

    /// Takes it to look after what the deployment `id` made live.
    pub fn occupy_to_keep(&self, place: Place, id: DeploymentId) -> Option<Control> {
        self.take(place, id, true)
    }

    fn take(&self, place: Place, id: DeploymentId, keeping: bool) -> Option<Control> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains_key(&place) {
            return None;
        }
        let control = Control { id, cancel: self.stop.child_token(), hurry: CancellationToken::new(), keeping };
        running.insert(place, control.clone());
        Some(control)
    }

    pub fn leave(&self, place: &(ProjectName, EnvironmentName)) {
        let left = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        self.to_begin.notify_one();
        self.admissions.something_ended();
        if left.is_some_and(|control| !control.keeping) {
            self.keeping.look_at(place, Duration::ZERO);
        }
    }

    /// The deployment that runs in an environment.
    pub fn running_in(&self, place: &(ProjectName, EnvironmentName)) -> Option<Control> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(place).filter(|control| !control.keeping).cloned()
    }

    /// Whether any deployment runs.
    pub fn is_deploying(&self) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).values().any(|control| !control.keeping)
    }

    /// A deployment wants the environment: looking after it gives way.
    pub fn keep_no_longer(&self, place: &Place) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = running.get(place).filter(|control| control.keeping) {
            control.cancel.cancel();
        }
    }

    pub fn running(&self, id: DeploymentId) -> Option<Control> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().find(|control| control.id == id && !control.keeping).cloned()
    }
}

/// What the engine is asked about for an environment.
pub(super) fn scope(project: &Project, environment: &Environment) -> Scope {
    Scope {
        project: project.name.clone(),
        environment: environment.name.clone(),
        compose_project: environment.compose_project.clone(),
    }
}

/// Milliseconds since 1970 (UTC).
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// 32 hex digits that nobody can guess: the unguessable part of a page's address.
pub fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(hex::encode(bytes))
}

/// A key for a delivery's page: as hard to guess as others, behind its time in milliseconds. The store takes many
/// deliveries at one time, and so writes the end of its index of keys and not a page of it for each.
pub fn new_delivery_key(now_ms: i64) -> anyhow::Result<String> {
    Ok(format!("{now_ms:011x}{}", new_key()?))
}
