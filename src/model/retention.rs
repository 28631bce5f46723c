//! How much of what is past is kept, and what an engine holds of it.

use super::{ComponentName, ContentKey, DeploymentId, ProjectName, label};
use std::collections::BTreeMap;
use std::time::Duration;

/// `[keep]` of launchway.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Releases of each environment that can be put back without building, beside the live one; at least 1.
    pub releases: usize,
    /// Of those, what went live longer ago than this is not kept; the live one and the one before it always are.
    pub age: Option<Duration>,
    /// How long ended deployments, their logs, and mirrors of projects that left the settings are kept.
    pub deployments: Duration,
    /// The most that the engine's build cache may take, in bytes; absent: it is not touched.
    pub build_cache: Option<u64>,
    /// With less free space than this, it is collected before each build.
    pub free: FreeSpace,
}

impl Default for Retention {
    fn default() -> Self {
        let deployments = Duration::from_secs(90 * 24 * 3600);
        Self { releases: 5, age: None, deployments, build_cache: None, free: FreeSpace::Percent(10) }
    }
}

/// How much of a disk should be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeSpace {
    /// Of the whole disk, 0 to 99.
    Percent(u8),
    Bytes(u64),
}

impl FreeSpace {
    /// Of a disk of so many bytes.
    pub fn bytes_of(self, total: u64) -> u64 {
        match self {
            FreeSpace::Percent(percent) => total / 100 * u64::from(percent),
            FreeSpace::Bytes(bytes) => bytes,
        }
    }
}

/// Which build of which content an image is, by its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    pub project: ProjectName,
    pub component: ComponentName,
    pub key: ContentKey,
    /// The deployment that built it although its content had been built before.
    pub anew: Option<DeploymentId>,
}

impl Build {
    /// `None` where the labels are not those of an image that Launchway built.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let anew = match labels.get(label::BUILT_ANEW_BY) {
            Some(text) => Some(DeploymentId(text.parse().ok()?)),
            None => None,
        };
        Some(Self {
            project: ProjectName::new(labels.get(label::PROJECT)?.clone()).ok()?,
            component: ComponentName::new(labels.get(label::COMPONENT)?.clone()).ok()?,
            key: ContentKey::new(labels.get(label::CONTENT_KEY)?.clone()).ok()?,
            anew,
        })
    }
}

/// What an engine has of what any Launchway made: images with its labels, and volumes filled from a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    pub images: Vec<HeldImage>,
    pub volumes: Vec<HeldVolume>,
}

/// An image that the engine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldImage {
    /// As this engine says it.
    pub id: String,
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// Layers that other images share are counted, too.
    pub size_bytes: u64,
    /// A container of it, running or stopped, whoever made that.
    pub used_by: Option<String>,
}

/// A volume that the engine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldVolume {
    pub name: String,
    /// A container that mounts it or is filling it.
    pub used_by: Option<String>,
}

/// `1.3 GB`, in powers of ten as disks are sold.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        let told: Vec<String> =
            [0, 999, 1_000, 1_250_000, 9_960_000, 20_000_000_000, u64::MAX].map(bytes_text).into_iter().collect();
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "1.2 MB", "10 MB", "20 GB", "18446744 TB"]);
    }
}
