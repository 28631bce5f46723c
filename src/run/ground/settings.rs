//! The settings while the server runs. A token or secret that is renewed in its file is used from the next need on: whoever
//! is about to use one asks for the settings as they are now, their files are looked at every few seconds besides, and what
//! was refused has them read once more, whatever the files' times say.

use crate::config::{self, Config, Project};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::settings_file::SettingsFile;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What strangers send without proof lets the files be looked at this often at most.
const LOOKS_FOR_STRANGERS: Duration = Duration::from_secs(1);

impl Deployer {
    /// From now on the settings are read again from this file when it, or a file that it names, has changed.
    pub fn follow_settings(&self, path: PathBuf) {
        let file = SettingsFile {
            path,
            read: Mutex::new(self.config().files.clone()),
            reading: tokio::sync::Mutex::default(),
            looked_for_a_stranger: Mutex::default(),
        };
        // Only the first call counts, and a server makes one.
        let _ = self.settings_file.set(file);
    }

    /// The settings as they are now: read again where one of their files has changed.
    pub async fn fresh_config(&self) -> Arc<Config> {
        if let Some(file) = self.settings_file.get() {
            let _one = file.reading.lock().await;
            if file.has_changed().await {
                self.read_settings(file, true).await;
            }
        }
        self.config()
    }

    /// Reads them again, changed or not, and says so.
    pub async fn read_settings_anew(&self) {
        if let Some(file) = self.settings_file.get() {
            let _one = file.reading.lock().await;
            self.read_settings(file, true).await;
        }
    }

    /// Something that was used for the project was refused: the project as its settings are now, where its own credentials
    /// are others than these.
    pub async fn renewed(&self, refused: &Project) -> Option<Project> {
        let file = self.settings_file.get()?;
        {
            let _one = file.reading.lock().await;
            let has_changed = file.has_changed().await;
            self.read_settings(file, has_changed).await;
        }
        let config = self.config();
        let now = config.projects.get(&refused.name)?;
        let is_other = (&now.token, &now.credentials) != (&refused.token, &refused.credentials);
        is_other.then(|| now.clone())
    }

    /// Somebody proved nothing with a delivery: whether the settings have changed, as far as that is looked at so often.
    pub async fn changed_for_a_stranger(&self) -> bool {
        let Some(file) = self.settings_file.get() else { return false };
        {
            let mut last = file.looked_for_a_stranger.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|at| at.elapsed() < LOOKS_FOR_STRANGERS) {
                return false;
            }
            *last = Some(Instant::now());
        }
        let before = self.config();
        !Arc::ptr_eq(&before, &self.fresh_config().await)
    }

    /// `is_news`: somebody changed a file, or asked for it. Otherwise only other secrets make other settings of them.
    async fn read_settings(&self, file: &SettingsFile, is_news: bool) {
        let path = file.path.clone();
        // Files, and a parser: neither the runtime's threads nor the server may suffer from what is in them.
        let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => {
                file.note(&error.files);
                if is_news {
                    tracing::error!(error = %error, "The settings were changed but are not right; the old ones stay");
                }
                return;
            }
            Err(error) => {
                tracing::error!(error = %error, "The settings could not be read; the old ones stay");
                return;
            }
        };
        file.note(&config.files);
        if !is_news && config.secrets() == self.config().secrets() {
            return;
        }
        tracing::info!(projects = config.projects.len(), "The settings were read again");
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        self.set_config(Arc::new(config));
        self.try_again_what_waits().await;
    }
}
