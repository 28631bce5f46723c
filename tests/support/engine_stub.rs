//! An engine that has what it is told to have and does nothing, for stories in which nothing is deployed.

use async_trait::async_trait;
use launchway::engine::{Engine, EngineError, EngineInfo, Image, Outcome, Scope, Supplies};
use launchway::model::{Observed, ProjectName, Recorded};
use launchway::plan::{Action, ContainerSpec};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
pub struct EngineStub {
    pub is_away: AtomicBool,
    /// Names of the images that it has.
    pub images: Vec<String>,
}

impl EngineStub {
    fn answer(&self) -> Result<(), EngineError> {
        match self.is_away.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(EngineError::Unavailable {
                endpoint: "unix:///nowhere.sock".into(),
                attempted: "look at it".into(),
                why: "connection refused".into(),
            }),
        }
    }
}

#[async_trait]
impl Engine for EngineStub {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.answer()?;
        let (version, api, platform) = ("28.5.0".into(), "1.51".into(), "linux/amd64".into());
        Ok(EngineInfo { version, api, platform, ..EngineInfo::default() })
    }

    async fn unsealed(&self) -> Result<Vec<Recorded>, EngineError> {
        Ok(Vec::new())
    }

    fn record(&self, _: Vec<Recorded>) {}

    async fn observe(&self, _: &Scope) -> Result<Observed, EngineError> {
        self.answer()?;
        Ok(Observed::default())
    }

    async fn act(&self, action: &Action, _: &dyn Supplies, _: &CancellationToken) -> Result<Outcome, EngineError> {
        panic!("nothing should happen in this story, but {action:?} was asked for")
    }

    async fn listeners(&self, _: &str) -> Result<Option<Vec<std::net::SocketAddr>>, EngineError> {
        Ok(None)
    }

    async fn differences(&self, container: &str, _: &ContainerSpec) -> Result<Vec<String>, EngineError> {
        panic!("nothing should be read back in this story, but {container} was")
    }

    async fn has_written(&self, _: &str, _: &str) -> Result<bool, EngineError> {
        Ok(false)
    }
    async fn has_path(&self, _: &str, _: &str) -> Result<bool, EngineError> {
        Ok(false)
    }
    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.answer()?;
        let has = self.images.iter().any(|image| image == reference);
        Ok(has.then(|| Image {
            id: format!("sha256:of-{reference}"),
            tags: vec![reference.to_string()],
            ..Image::default()
        }))
    }

    async fn pull(
        &self,
        reference: &str,
        _: &ProjectName,
        _: &(dyn for<'a> Fn(&'a str) + Send + Sync),
        _: &CancellationToken,
    ) -> Result<Image, EngineError> {
        panic!("nothing should be pulled in this story, but {reference} was")
    }

    async fn last_lines(&self, _: &str, _: usize) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }
}
