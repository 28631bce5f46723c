//! What the server's settings allow a repository to ask for beyond its own containers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[projects.<name>.allow]` of `launchway.toml`, and `binds` of the environment. Nothing is allowed by default: what
/// a commit asks for must not reach the host, other projects, or the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Permissions {
    /// Absolute paths of the host that may be mounted, with all that really lies below them: a symbolic link in there that
    /// leads out is not followed.
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
    /// Drivers of networks and of their addresses (IPAM) beyond `bridge` and `default`; `bridge` itself for options of it
    /// that are not known to stay inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_drivers: Vec<String>,
    /// Interfaces of the host that a network may join or be: `parent` of macvlan and ipvlan, the name of a bridge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Ranges of addresses (`172.28.0.0/16`) in which the project may choose the subnets of its networks: the host's own
    /// packets to them go to its containers. A network without `subnet` gets one that the engine chooses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// How many networks of its own the project may have on the engine, over all environments; else ten. An engine has
    /// addresses for about thirty, of all projects together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<u32>,
    /// How much of the host's memory and CPUs the project may reserve, in all of its environments, in percent; else all where it is
    /// the only project, and 75 where there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve_percent: Option<u32>,
    /// Servers (`nas.example.com`) whose shares a volume of the `local` driver may mount over nfs or cifs: the share sees
    /// the host's address and identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_volumes: Vec<String>,
    /// Logging drivers beyond `json-file`, `local` and `none`: most write to an address that the engine, as root, connects
    /// to. A socket or file of the host that their options name must be in `host_paths` as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_drivers: Vec<String>,
    /// Runtimes by name. Without any, containers run in what the engine's settings choose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runtimes: Vec<String>,
    /// Settings of the kernel (`net.netfilter.nf_conntrack_max`) that are not known to hold for one container only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<String>,
    /// Annotations by key, beyond `org.opencontainers.image.*`: runtimes take some for orders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
    /// Volumes and networks that others made, by their exact names on the engine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalGrant>,
    /// Names of images (`shop/api:latest`) that others hold and that this project may use, or give to what it builds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The ports of the host that the project may publish, where any are listed; else all that nobody has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
    /// Hosts from which builds may fetch (`ADD https://...`, remote contexts): the engine's host connects to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build_remote: Vec<String>,
    /// BuildKit frontends (`# syntax=`) beyond Docker's own, by the image's name without tag or digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frontends: Vec<String>,
    /// Base URLs of Prometheus servers that Launchway may ask on the repository's behalf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prometheus: Vec<String>,
    /// Sources of bind mounts as the Compose file writes them (`./uploads`) -> absolute path on the engine's host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub binds: BTreeMap<String, String>,
    /// Every path of the host that some project may mount. Filled in from the settings as a whole: what lies below one of
    /// them may have been replaced by a symbolic link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mountable: Vec<String>,
}

/// `"traefik_default"`, or `{ name = "shop_uploads", write = true }`. A volume is mounted read-only without `write`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenGrant", into = "WrittenGrant")]
pub struct ExternalGrant {
    /// As the engine has it; no pattern.
    pub name: String,
    /// Of a volume: it may be written in.
    pub write: bool,
    /// Of a network: the project may answer there to names that others have, or that have a dot.
    pub names: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenGrant {
    Name(String),
    Full {
        name: String,
        #[serde(default)]
        write: bool,
        #[serde(default)]
        names: bool,
    },
}

impl From<WrittenGrant> for ExternalGrant {
    fn from(written: WrittenGrant) -> Self {
        match written {
            WrittenGrant::Name(name) => Self { name, write: false, names: false },
            WrittenGrant::Full { name, write, names } => Self { name, write, names },
        }
    }
}

impl From<ExternalGrant> for WrittenGrant {
    fn from(grant: ExternalGrant) -> Self {
        match grant {
            ExternalGrant { name, write: false, names: false } => WrittenGrant::Name(name),
            ExternalGrant { name, write, names } => WrittenGrant::Full { name, write, names },
        }
    }
}

/// Ports of the host, both ends included: `8080`, or `"8000-8999"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPorts", into = "WrittenPorts")]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenPorts {
    One(u16),
    Text(String),
}

impl TryFrom<WrittenPorts> for PortRange {
    type Error = String;

    fn try_from(written: WrittenPorts) -> Result<Self, String> {
        let text = match written {
            WrittenPorts::One(port) => return Ok(Self { first: port, last: port }),
            WrittenPorts::Text(text) => text,
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{text:?} is no port and no range of ports such as \"8000-8999\"")),
        }
    }
}

impl From<PortRange> for WrittenPorts {
    fn from(range: PortRange) -> Self {
        match range.first == range.last {
            true => WrittenPorts::One(range.first),
            false => WrittenPorts::Text(format!("{}-{}", range.first, range.last)),
        }
    }
}

impl PortRange {
    /// Whether a port lies in it.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl Permissions {
    /// What lets a volume or network that somebody else made be used.
    pub fn external(&self, name: &str) -> Option<&ExternalGrant> {
        self.external.iter().find(|grant| grant.name == name)
    }

    /// A slash at the end makes no other server.
    pub fn allows_prometheus(&self, url: &str) -> bool {
        let url = url.trim_end_matches('/');
        self.prometheus.iter().any(|allowed| allowed.trim_end_matches('/') == url)
    }
}
