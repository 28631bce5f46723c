//! How things stand now: queues, the outbox, the engine, what is degraded, room on the disk.

use crate::model::DeploymentState;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::disk_space::Room;
use crate::run::ground::ids::now_ms;
use crate::run::ground::metrics::exposition::{Exposition, Labels};
use crate::run::ground::place::Place;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// An engine or a disk that takes longer counts as away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Queue {
    waiting: u64,
    longest_ms: i64,
    running: u64,
    degraded: bool,
    paused: bool,
}

impl Deployer {
    pub(super) async fn put_present(&self, out: &mut Exposition) -> anyhow::Result<()> {
        let now = now_ms();
        self.put_environments(out, now).await?;
        let (waiting, oldest_ms) = self.store.outbox_figures().await?;
        out.gauge("launchway_outbox_waiting", "Statuses that have not reached their forge yet", waiting as f64);
        let age = oldest_ms.map_or(0, |oldest| (now - oldest).max(0));
        out.gauge(
            "launchway_outbox_oldest_seconds",
            "Age of the oldest status that was not sent; 0: none waits",
            secs(age),
        );
        let in_line = self.in_line();
        let waits_for = |of: &'static str| {
            let count = in_line.iter().filter(|waits| waits.of == of).count();
            (vec![("for", of.to_lowercase())], count as f64)
        };
        let help = "Deployments that wait for room on the host";
        out.gauges("launchway_room_waiting", help, ["memory", "CPU", "disk"].map(waits_for));
        let engine_up = self.metrics.engine.ask(&self.engine).await;
        out.gauge("launchway_engine_up", "1 while the engine answers", f64::from(u8::from(engine_up)));
        self.put_disk(out);
        self.put_disks(out).await;
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_string())];
        out.gauges("launchway_build_info", "The version of this Launchway; always 1", [(version, 1.0)]);
        Ok(())
    }

    /// Every environment of the settings, also those in which nothing happens: a series that is not there cannot be
    /// alerted on.
    async fn put_environments(&self, out: &mut Exposition, now: i64) -> anyhow::Result<()> {
        let config = self.config();
        let mut queues: BTreeMap<Place, Queue> = BTreeMap::new();
        for project in config.projects.values() {
            for environment in project.environments.values() {
                let degraded = !self.store.degraded(&project.name, &environment.name).await?.is_empty();
                let paused = self.store.pause(&project.name, &environment.name).await?.is_some();
                let queue = Queue { degraded, paused, ..Queue::default() };
                queues.insert((project.name.clone(), environment.name.clone()), queue);
            }
        }
        for open in self.store.open_deployments().await? {
            let queue = queues.entry((open.project, open.environment)).or_default();
            match open.state {
                DeploymentState::Waiting => {
                    queue.waiting += 1;
                    queue.longest_ms = queue.longest_ms.max(now - open.created_ms);
                }
                _ => queue.running += 1,
            }
        }
        let all = |value: fn(&Queue) -> f64| -> Vec<(Labels, f64)> {
            let labels = |(project, environment): &Place| {
                vec![("project", project.to_string()), ("environment", environment.to_string())]
            };
            queues.iter().map(|(place, queue)| (labels(place), value(queue))).collect()
        };
        out.gauges("launchway_queue_length", "Deployments that wait", all(|queue| queue.waiting as f64));
        let help = "How long the one has waited that waits longest; 0: none waits";
        out.gauges("launchway_queue_longest_wait_seconds", help, all(|queue| secs(queue.longest_ms)));
        let help = "Deployments that are neither waiting nor over";
        out.gauges("launchway_deployments_running", help, all(|queue| queue.running as f64));
        let help = "1 while something of what is live is not as it should be";
        out.gauges("launchway_environment_degraded", help, all(|queue| f64::from(u8::from(queue.degraded))));
        let help = "1 while somebody has paused the environment";
        out.gauges("launchway_environment_paused", help, all(|queue| f64::from(u8::from(queue.paused))));
        Ok(())
    }

    /// The data directory's, and the engine's where that is on this machine.
    async fn put_disks(&self, out: &mut Exposition) {
        let Ok(rooms) = tokio::time::timeout(ANSWERS_WITHIN, self.rooms()).await else { return };
        let of = |room: &Room| vec![("of", room.whose.to_string())];
        let help = "Room on a disk that Launchway or the engine fills";
        out.gauges("launchway_disk_free_bytes", help, rooms.iter().map(|room| (of(room), room.free_bytes as f64)));
        let help = "Size of a disk that Launchway or the engine fills";
        out.gauges("launchway_disk_size_bytes", help, rooms.iter().map(|room| (of(room), room.total_bytes as f64)));
    }

    fn put_disk(&self, out: &mut Exposition) {
        if let Ok(disk) = rustix::fs::statvfs(&self.config().data) {
            // What others than root can have: Launchway need not be root.
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let size = disk.f_blocks.saturating_mul(disk.f_frsize);
            out.gauge("launchway_data_free_bytes", "Room on the file system of the data directory", free as f64);
            out.gauge("launchway_data_size_bytes", "Size of the file system of the data directory", size as f64);
        }
        let size = store_bytes(self.store.path());
        out.gauge("launchway_store_size_bytes", "Size of the store with its write-ahead log", size as f64);
    }
}

fn secs(ms: i64) -> f64 {
    ms.max(0) as f64 / 1000.0
}

fn store_bytes(path: &Path) -> u64 {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |metadata| metadata.len())
    };
    ["", "-wal", "-shm"].into_iter().map(beside).sum()
}
