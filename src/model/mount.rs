//! What a component mounts.

use super::{Place, RepoPath, Secret};
use serde::{Deserialize, Serialize};

/// One mount of a component, by what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub target: String,
    pub source: MountSource,
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum MountSource {
    /// A volume, by its key under top-level `volumes`.
    Volume {
        key: String,
        #[serde(default, skip_serializing_if = "is_false")]
        no_copy: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
    },
    /// `- /data`: a volume without a name, handed on to the container's successor.
    Anonymous,
    /// A file or folder of the commit, delivered per release, always read-only. `id` is its blob or tree id.
    Repository {
        path: RepoPath,
        folder: bool,
        id: String,
        /// What other mounts of the component are put on below it, and the commit's folder does not have: the volume
        /// gets them too, for nobody can make them in what is read-only.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mount_points: Vec<MountPoint>,
    },
    /// A path on the engine's host, which the server's settings allow.
    Host {
        path: String,
        /// The folder above it, where that one may be mounted, too: whoever writes there can put a symbolic link in the
        /// path's place, so it is reached from there by a way that follows none out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        propagation: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        create: bool,
    },
    Tmpfs {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_bytes: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// Raw options of the short form (`uid=1000,noexec`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<String>,
    },
    /// A `config` or `secret` whose text comes from the Compose file or a variable, not from a file of the commit.
    Text {
        /// Key under top-level `configs` or `secrets`.
        key: String,
        text: Secret,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<String>,
        /// Permission bits; 0o444 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
}

/// An empty folder or file that something is mounted on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MountPoint {
    /// Relative to the folder that it is in, without `.` and `..`.
    pub path: String,
    pub folder: bool,
}

impl Mount {
    /// Whether the container can write something there that outlives it: what two at once could corrupt.
    pub fn is_writable_storage(&self) -> bool {
        !self.read_only
            && matches!(self.source, MountSource::Volume { .. } | MountSource::Anonymous | MountSource::Host { .. })
    }
}

/// A volume of the Compose file, under its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The name on the engine: `<compose project>_<key>`, or what `name:` says.
    pub name: String,
    /// Made by somebody else; must exist.
    #[serde(default, skip_serializing_if = "is_false")]
    pub external: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub driver_opts: std::collections::BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    pub place: Option<Place>,
}

pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
