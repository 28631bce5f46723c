//! What this process has counted since its start, of which the store keeps no sum: what components used, and what was
//! collected.

use super::exposition::{Labels, text};
use crate::store::Usage;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

type Sums = Family<Labels, Counter<f64, AtomicU64>>;

/// Counters of a process, from its beginning on.
pub struct Counted {
    registry: Registry,
    cpu: Sums,
    memory: Sums,
    removed: Counter,
    removed_bytes: Counter,
}

impl Default for Counted {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("launchway");
        let (cpu, memory) = (Sums::default(), Sums::default());
        let (removed, removed_bytes) = (Counter::default(), Counter::default());
        let help = "CPU time that components used, looked at every minute, since the server's start";
        registry.register("component_cpu_seconds", help, cpu.clone());
        let help = "Memory that components used over time, without page cache, since the server's start";
        registry.register("component_memory_byte_seconds", help, memory.clone());
        let help = "Images, volumes, rows and logs that were collected, since the server's start";
        registry.register("collected_things", help, removed.clone());
        registry.register(
            "collected_bytes",
            "What that freed at most, since the server's start",
            removed_bytes.clone(),
        );
        Self { registry, cpu, memory, removed, removed_bytes }
    }
}

impl Counted {
    /// What a look adds.
    pub fn used(&self, usage: &Usage) {
        let labels = vec![
            ("project", usage.project.to_string()),
            ("environment", usage.environment.to_string()),
            ("component", usage.component.to_string()),
        ];
        self.cpu.get_or_create(&labels).inc_by(usage.cpu_ms.max(0) as f64 / 1000.0);
        self.memory.get_or_create(&labels).inc_by(usage.memory_byte_seconds.max(0) as f64);
    }

    /// One thing that was taken away.
    pub fn removed(&self, bytes: Option<u64>) {
        self.removed.inc();
        self.removed_bytes.inc_by(bytes.unwrap_or(0));
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        text(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ComponentName, EnvironmentName, ProjectName};

    #[test]
    fn what_is_used_and_removed_adds_up() {
        let counted = Counted::default();
        let usage = Usage {
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            component: ComponentName::new("api").unwrap(),
            hour: 0,
            cpu_ms: 1500,
            memory_max_bytes: 9,
            memory_byte_seconds: 600,
            seconds: 60,
            samples: 1,
        };
        counted.used(&usage);
        counted.used(&usage);
        counted.removed(Some(70));
        counted.removed(None);
        let text = counted.text().unwrap();
        let of = "{project=\"shop\",environment=\"production\",component=\"api\"}";
        for line in [
            format!("launchway_component_cpu_seconds_total{of} 3.0\n"),
            format!("launchway_component_memory_byte_seconds_total{of} 1200.0\n"),
            "launchway_collected_things_total 2\n".to_string(),
            "launchway_collected_bytes_total 70\n".to_string(),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
