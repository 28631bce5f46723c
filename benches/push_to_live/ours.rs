//! Launchway: the real server, the real hook in a bare repository, and `git push`.

use super::app::{App, Change, live};
use super::support::world::World;
use super::{Measured, log};
use launchway::engine::{DockerEngine, Engine};
use launchway::model::CommitId;
use std::time::{Duration, Instant, SystemTime};

pub struct Ours {
    world: World,
    app: App,
}

impl Ours {
    /// Its first release is live.
    pub async fn start() -> Self {
        let mut ours = Self { world: World::new().await, app: App::new("ours") };
        let (commit, ..) = ours.push("First").await;
        let shown = ours.world.ends(&commit).await;
        assert_eq!(shown.state, "success", "{shown:?}\n{}", ours.world.deployment_logs());
        ours
    }

    async fn push(&mut self, message: &str) -> (CommitId, Instant, Instant, SystemTime) {
        self.app.write(&self.world.repository);
        let commit = self.world.repository.commit(message);
        let (port, answer) = (self.world.app_port, self.app.answer());
        let watch = tokio::spawn(async move { live(port, &answer).await });
        let (start, clock) = (Instant::now(), SystemTime::now());
        tokio::task::block_in_place(|| self.world.repository.push("main"));
        let live = watch.await.expect("the new release answers");
        (commit, start, live, clock)
    }

    pub async fn bring_live(&mut self, change: Change, round: usize, measured: &mut Measured) {
        self.app.change(change, round);
        let (commit, start, live, clock) = self.push(&format!("{} {round}", change.name())).await;
        let told = self.told(&commit).await;
        let took = live - start;
        measured.live.add_time(took);
        measured.told.add_time(told - start);
        let in_engine = log::engine_time(&self.newest_log(), clock, clock + took);
        measured.beyond.add_time(took.saturating_sub(in_engine));
    }

    /// The moment at which the commit's final status could be read.
    async fn told(&self, commit: &CommitId) -> Instant {
        loop {
            let shown = tokio::task::block_in_place(|| self.world.shown(commit));
            let last = shown.into_iter().find(|s| !matches!(s.state.as_str(), "pending" | "running"));
            if let Some(last) = last {
                assert_eq!(last.state, "success", "{last:?}\n{}", self.world.deployment_logs());
                return Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn newest_log(&self) -> String {
        let files = std::fs::read_dir(self.world.data().join("logs")).expect("the logs").flatten();
        let number = |path: &std::path::Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let newest = files.map(|file| file.path()).max_by_key(|path| number(path)).expect("a log");
        std::fs::read_to_string(newest).expect("a readable log")
    }

    /// The last deployment, line by line, with the server's own log of it.
    pub fn timeline(&self) -> String {
        format!("{}\n{}", self.newest_log(), self.world.serve_log())
    }

    pub async fn engine_version(&self) -> String {
        let engine = DockerEngine::connect(None).expect("the engine");
        engine.info().await.map(|info| info.version).unwrap_or_default()
    }

    pub async fn end(self) {
        self.world.end().await;
    }
}
