//! Starting and ending the flow's background work.

use crate::run::collect;
use crate::run::ground::clock;
use crate::run::ground::contained::going_on;
use crate::run::ground::deployer::Deployer;
use crate::run::incoming::catch_up;
use crate::run::incoming::judge;
use crate::run::keep::beyond;
use crate::run::keep::watching;
use crate::run::queue;
use crate::run::tell::hooks;
use crate::run::tell::reporter;
use crate::run::tell::traces;
use crate::run::turn::usage;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long running work may take to notice that the process ends.
const END_WITHIN: Duration = Duration::from_secs(10);

impl Deployer {
    /// Starts everything that goes on by itself: judging deliveries, beginning deployments (what a crash left in the
    /// middle first), sending statuses, telling hooks, looking for pushes whose delivery never came, and collecting what is not needed.
    pub fn start(self: &Arc<Self>) {
        let deployer = self.clone();
        self.tasks.spawn(async move {
            // A restart may be how somebody puts something right.
            deployer.try_again_what_waits().await;
            match deployer.store.deployed_commits().await {
                Ok(commits) => deployer.deployed_commits.note(commits),
                Err(error) => tracing::error!(error = %error, "The commits that were deployed cannot be read"),
            }
        });
        self.goes_on("judging deliveries", judge::judge_deliveries);
        self.goes_on("beginning deployments", queue::begin_deployments);
        self.goes_on("watching the clock", clock::watch_the_clock);
        self.goes_on("sending statuses", reporter::send_statuses);
        self.goes_on("telling hooks", hooks::tell_hooks);
        self.goes_on("comparing tips", catch_up::catch_up);
        self.goes_on("looking after what is live", watching::keep);
        self.goes_on("collecting", collect::collect_from_time_to_time);
        self.goes_on("comparing what is live with the settings", beyond::compare_with_settings);
        self.goes_on("listening to the engine", watching::listen);
        self.goes_on("learning what containers use", usage::learn_usage);
        self.goes_on("sending traces", traces::send_traces);
    }

    /// Work that goes on until the process ends, whatever happens in it.
    fn goes_on<W: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        work: fn(Arc<Self>) -> W,
    ) {
        let (deployer, stop) = (self.clone(), self.stop.clone());
        self.tasks.spawn(async move { going_on(stop, what, || work(deployer.clone())).await });
    }

    /// Begins nothing new, lets what runs note where it stands, and closes the store. Nothing is put back: the next
    /// start goes on where this one ends.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(END_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("Some work did not notice in time that the process ends; the next start settles it");
        }
        self.store.close().await;
    }
}
