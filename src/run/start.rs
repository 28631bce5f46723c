//! Starting and ending the flow's background work.

use super::deployer::Deployer;
use super::{beyond, catch_up, clock, collect, hooks, judge, keep, queue, reporter, traces, usage};
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
        self.tasks.spawn(judge::judge_deliveries(self.clone()));
        self.tasks.spawn(queue::begin_deployments(self.clone()));
        self.tasks.spawn(clock::watch_the_clock(self.clone()));
        self.tasks.spawn(reporter::send_statuses(self.clone()));
        self.tasks.spawn(hooks::tell_hooks(self.clone()));
        self.tasks.spawn(catch_up::catch_up(self.clone()));
        self.tasks.spawn(keep::keep(self.clone()));
        self.tasks.spawn(collect::collect_from_time_to_time(self.clone()));
        self.tasks.spawn(beyond::compare_with_settings(self.clone()));
        self.tasks.spawn(keep::listen(self.clone()));
        self.tasks.spawn(usage::learn_usage(self.clone()));
        self.tasks.spawn(traces::send_traces(self.clone()));
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
