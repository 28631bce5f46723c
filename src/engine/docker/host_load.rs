//! What the host of the engine has, and what each running container takes of it.

use super::answer::in_path;
use super::connect::DockerEngine;
use crate::engine::{ContainerUse, EngineError, HostLoad};
use crate::model::Kind;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt};

/// How many containers are asked about at once. Each answer costs the engine a few files of its cgroups.
const AT_ONCE: usize = 8;

impl DockerEngine {
    pub(super) async fn load_of_the_host(&self) -> Result<HostLoad, EngineError> {
        self.api().await?;
        let info = self.query("ask what it has", self.client().info()).await?;
        let containers = self.uses().await?;
        Ok(HostLoad {
            cpus: info.ncpu.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            memory_bytes: info.mem_total.unwrap_or_default(),
            available_bytes: if self.local { available_memory() } else { None },
            containers,
        })
    }

    /// Of all that run. One that ends meanwhile, or of which a busy engine does not tell in time, is left out.
    pub(super) async fn uses(&self) -> Result<Vec<ContainerUse>, EngineError> {
        let running = ListContainersOptionsBuilder::new().all(false).build();
        let listed = self.query("list the running containers", self.client().list_containers(Some(running))).await?;
        let asked = listed.into_iter().filter_map(|container| {
            let labels = container.labels.unwrap_or_default().into_iter().collect();
            let id = container.id?;
            let (labels, _) = self.ownership.whose(Kind::Container, &id, labels).into_labels();
            Some((id, labels))
        });
        let uses: Vec<Option<ContainerUse>> = futures_util::stream::iter(asked)
            .map(|(id, labels)| async move {
                let (found, stats) = tokio::join!(self.look_up(&id), self.statistics(&id));
                let Ok(Some(found)) = found else { return None };
                let stats = stats.ok().flatten();
                let host = found.host_config.unwrap_or_default();
                let cpu = stats.as_ref().and_then(|stats| stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage);
                Some(ContainerUse {
                    id,
                    labels,
                    memory_reservation_bytes: host.memory_reservation.unwrap_or(0).max(0),
                    memory_limit_bytes: host.memory.unwrap_or(0).max(0),
                    memory_used_bytes: stats.and_then(|stats| working_set(stats.memory_stats?)),
                    cpu_ns: cpu,
                })
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        Ok(uses.into_iter().flatten().collect())
    }

    /// One look, without the second that the engine otherwise waits to compare two. Figures that are not to be had are
    /// no reason to fail.
    async fn statistics(&self, container: &str) -> Result<Option<ContainerStatsResponse>, EngineError> {
        let once = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stream = Box::pin(self.client().stats(in_path(container)?, Some(once)));
        match self.query(format!("ask what container {container} uses"), async { stream.try_next().await }).await {
            Ok(found) => Ok(found),
            Err(denied) => match EngineError::from(denied) {
                away @ EngineError::Unavailable { .. } => Err(away),
                _ => Ok(None),
            },
        }
    }
}

/// Memory without the page cache that the kernel gives back at once, as `docker stats` counts it: cgroup v1 names it
/// `total_inactive_file`, v2 `inactive_file`.
fn working_set(memory: ContainerMemoryStats) -> Option<i64> {
    let usage = memory.usage?;
    let stats = memory.stats.unwrap_or_default();
    let cache = stats.get("total_inactive_file").or(stats.get("inactive_file")).copied().unwrap_or(0);
    i64::try_from(usage.saturating_sub(cache)).ok()
}

/// What the kernel could give to somebody new without swapping, in bytes (proc_meminfo(5)).
fn available_memory() -> Option<i64> {
    meminfo_available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn meminfo_available(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn page_cache_that_is_given_back_is_not_counted_in_either_cgroup_version() {
        for name in ["total_inactive_file", "inactive_file"] {
            let stats = HashMap::from([(name.to_string(), 300)]);
            let memory = ContainerMemoryStats { usage: Some(1000), stats: Some(stats), ..Default::default() };
            assert_eq!(working_set(memory), Some(700));
        }
        let more_cache = HashMap::from([("inactive_file".to_string(), 2000)]);
        let memory = ContainerMemoryStats { usage: Some(1000), stats: Some(more_cache), ..Default::default() };
        assert_eq!(working_set(memory), Some(0));
        assert_eq!(working_set(ContainerMemoryStats::default()), None);
    }

    #[test]
    fn what_is_available_is_read_from_meminfo() {
        let text = "MemTotal:       24683656 kB\nMemFree:         1 kB\nMemAvailable:   20480 kB\n";
        assert_eq!(meminfo_available(text), Some(20480 * 1024));
        assert_eq!(meminfo_available("MemTotal: 1 kB\n"), None);
        assert_eq!(meminfo_available("MemAvailable: many kB\n"), None);
    }
}
