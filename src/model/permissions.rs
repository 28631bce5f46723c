//! What the server's settings allow a repository to ask for beyond its own containers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[projects.<name>.allow]` of `launchway.toml`, and `binds` of the environment. Nothing is allowed by default: what
/// a commit asks for must not reach the host, other projects, or the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Permissions {
    /// Absolute paths of the host that may be mounted, with all that lies below them.
    pub host_paths: Vec<String>,
    /// Those of them in which several environments may write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_paths: Vec<String>,
    pub privileged: bool,
    /// The sockets of Docker, containerd and Podman: whoever holds one is root on the host.
    pub engine_socket: bool,
    /// `network_mode: host`, `pid: host`, `ipc: host`, `uts: host`, `userns_mode: host`, `cgroup: host`, and sharing
    /// with a container that is not of this project (`container:NAME`).
    pub host_namespaces: bool,
    /// Devices by their path on the host (`/dev/fuse`), or `*` for all.
    pub devices: Vec<String>,
    /// Capabilities beyond the harmless ones (`SYS_ADMIN`, `NET_ADMIN`, ...), or `ALL`.
    pub capabilities: Vec<String>,
    /// `security_opt` that takes a protection away (`seccomp=unconfined`, `apparmor=...`, `label=disable`).
    pub unconfined: bool,
    pub cgroup_parent: bool,
    /// Volume drivers other than `local`.
    pub volume_drivers: Vec<String>,
    /// Base URLs of Prometheus servers that Launchway may ask on the repository's behalf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prometheus: Vec<String>,
    /// Sources of bind mounts as the Compose file writes them (`./uploads`) -> absolute path on the engine's host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub binds: BTreeMap<String, String>,
}

impl Permissions {
    /// A slash at the end makes no other server.
    pub fn allows_prometheus(&self, url: &str) -> bool {
        let url = url.trim_end_matches('/');
        self.prometheus.iter().any(|allowed| allowed.trim_end_matches('/') == url)
    }
}
