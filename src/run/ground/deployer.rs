//! What all parts of the flow share: settings, store, engine, mirrors, and who runs where.

use crate::build::{Builder, ContentKeys};
use crate::config::Config;
use crate::engine::{Engine, HeldNames};
use crate::forge::StatusClients;
use crate::model::{Mask, Secret};
use crate::run::ground::admissions::Admissions;
use crate::run::ground::bells::Bells;
use crate::run::ground::beyonds::Beyonds;
use crate::run::ground::build_slots::BuildSlots;
use crate::run::ground::collecting::Collecting;
use crate::run::ground::deployed_commits::DeployedCommits;
use crate::run::ground::fronts::Fronts;
use crate::run::ground::image_names::ImageNames;
use crate::run::ground::keeping::Keeping;
use crate::run::ground::log::Logs;
use crate::run::ground::masks::Masks;
use crate::run::ground::metrics::Metrics;
use crate::run::ground::occupancy::Occupancy;
use crate::run::ground::place::Place;
use crate::run::ground::reading::Readers;
use crate::run::ground::settings_file::SettingsFile;
use crate::run::ground::traffic_past::TrafficPast;
use crate::run::ground::work_record::WorkRecord;
use crate::run::ground::wrong_codes::WrongCodes;
use crate::source::Mirrors;
use crate::store::Store;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One server's working parts.
pub struct Deployer {
    /// For work that goes on after whoever began it.
    pub itself: Weak<Self>,
    settings: RwLock<Settings>,
    /// Where they are read from, once that is known.
    pub(in crate::run) settings_file: OnceLock<SettingsFile>,
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
    pub occupancy: Occupancy,
    pub deployed_commits: DeployedCommits,
    /// Looking after what is live.
    pub keeping: Keeping,
    /// Taking away what is not needed any more.
    pub collecting: Collecting,
    /// Held while a deployment makes sure that no other environment wants what it is about to take.
    pub claiming: tokio::sync::Mutex<()>,
    /// What wakes the loops.
    pub bells: Bells,
    pub traffic_past: TrafficPast,
    /// What owns components' names inside their environments.
    pub fronts: Arc<Fronts>,
    pub metrics: Metrics,
    /// The record of what work takes.
    pub works: WorkRecord,
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
    /// All that was secret since the process began: a token that was renewed is in logs still, and may be good elsewhere.
    secrets: Vec<Secret>,
    mask: Mask,
}

/// Of what was secret before, so much is hidden on: each text that leaves is looked through for all of it.
const SECRETS_HIDDEN: usize = 1000;

impl Settings {
    fn new(config: Arc<Config>, before: &[Secret]) -> Self {
        let mut secrets: Vec<Secret> = config.secrets();
        let others: Vec<Secret> =
            before.iter().filter(|old| !secrets.contains(old)).take(SECRETS_HIDDEN).cloned().collect();
        secrets.extend(others);
        Self { mask: Mask::new(&secrets), secrets, config }
    }
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
    /// Puts the parts together; nothing begins yet.
    ///
    /// # Errors
    /// The folder of logs cannot be made.
    pub fn new(parts: Parts) -> std::io::Result<Arc<Self>> {
        let Parts { config, store, engine, builder, status_clients, program } = parts;
        engine.sign_in(config.registries.clone());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let fronts = Arc::new(Fronts::new(engine.clone()));
        let logs = Logs::new(&config.data)?;
        Ok(Arc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            mirrors: Mirrors::new(config.data.join("mirrors"), program.clone()),
            readers: Readers::new(program, &config.data),
            logs,
            masks: Masks::default(),
            build_slots: BuildSlots::new(config.limits.builds),
            building: HeldNames::default(),
            image_names: ImageNames::default(),
            wrong_codes: WrongCodes::default(),
            turns_given: AtomicU64::new(0),
            deployment_slots: Arc::new(Semaphore::new(config.limits.deployments)),
            settings: RwLock::new(Settings::new(config, &[])),
            settings_file: OnceLock::new(),
            works: WorkRecord::new(store.clone(), tasks.clone()),
            store,
            engine,
            builder,
            content_keys: ContentKeys::default(),
            status_clients,
            occupancy: Occupancy::new(stop.clone()),
            deployed_commits: DeployedCommits::default(),
            keeping: Keeping::default(),
            collecting: Collecting::default(),
            claiming: tokio::sync::Mutex::default(),
            bells: Bells::default(),
            traffic_past: TrafficPast::default(),
            fronts,
            metrics: Metrics::default(),
            admissions: Admissions::default(),
            stop,
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
    pub fn set_config(&self, config: Arc<Config>) {
        self.engine.sign_in(config.registries.clone());
        {
            let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
            *settings = Settings::new(config, &settings.secrets);
        }
        // Before anything that is new in them is used.
        self.learn_anew();
        self.bells.to_begin.notify_one();
        self.bells.to_judge.notify_one();
        self.bells.to_send.notify_one();
        self.beyonds.settings_changed();
    }

    /// Somebody has put something right: what failed for a reason that others must remove is not put off any longer.
    pub async fn try_again_what_waits(&self) {
        if let Err(error) = self.store.put_off_no_longer().await {
            tracing::error!(error = %error, "What was put off cannot be tried again now");
        }
        self.bells.to_judge.notify_one();
        self.bells.to_send.notify_one();
        self.bells.to_compare.notify_one();
    }

    /// What hides the secrets of the settings: for what is said of no environment. See [`Self::mask_of`].
    pub fn mask(&self) -> Mask {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).mask.clone()
    }

    /// An environment is free again: whoever waits for it, or for room on the host, looks again.
    pub fn leave(&self, place: &Place) {
        let left = self.occupancy.leave(place);
        self.bells.to_begin.notify_one();
        self.admissions.something_ended();
        if left.is_some_and(|control| !control.keeping) {
            self.keeping.look_at(place, Duration::ZERO);
        }
    }
}
