//! What stands behind a path of a container: where that keeps what is written there.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What keeps what is written at a path of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Storage {
    /// A volume that is there or will be, by its name on the engine, whoever gave it that.
    Volume {
        name: String,
        /// Relative to the volume, where not all of it is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
    },
    /// An absolute path of the engine's host.
    Host { path: String },
    /// A volume that nobody named and that the engine makes together with the container.
    Unnamed,
    /// Memory: it is gone whenever the container stops.
    Tmpfs,
    /// Files of the commit, to be read only.
    Commit,
    /// Nothing is mounted: the container's own files, which go with it.
    Own,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Absolute path in the container.
    pub target: String,
    pub storage: Storage,
    pub writable: bool,
}

impl Storage {
    /// All of a volume.
    pub fn volume(name: impl Into<String>) -> Self {
        Self::Volume { name: name.into(), subpath: None }
    }

    /// Whether what is written there outlives the container.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Volume { .. } | Self::Host { .. } | Self::Unnamed)
    }

    /// The volume's name, where it is one that has a name.
    pub fn volume_name(&self) -> Option<&str> {
        match self {
            Self::Volume { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What stands behind a path below the one that this stands behind.
    pub fn below(&self, rest: &str) -> Self {
        let rest = rest.trim_matches('/');
        match self {
            Self::Volume { name, subpath } => {
                let subpath = subpath.iter().map(|path| path.trim_matches('/')).chain([rest]);
                let subpath = subpath.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
                Self::Volume { name: name.clone(), subpath: (!subpath.is_empty()).then_some(subpath) }
            }
            Self::Host { path } if !rest.is_empty() => {
                Self::Host { path: format!("{}/{rest}", path.trim_end_matches('/')) }
            }
            other => other.clone(),
        }
    }
}

/// As the store keeps it and the audit shows it: `volume shop_data`, `host /srv/data`.
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume { name, subpath: None } => write!(f, "volume {name}"),
            Self::Volume { name, subpath: Some(subpath) } => write!(f, "volume {name}, {subpath}"),
            Self::Host { path } => write!(f, "host {path}"),
            Self::Unnamed => f.write_str("new unnamed volume"),
            Self::Tmpfs => f.write_str("tmpfs"),
            Self::Commit => f.write_str("files of the commit"),
            Self::Own => f.write_str("the container's own files"),
        }
    }
}

/// The engine gives a volume that nobody named 64 hex digits; nothing else tells, once it was handed on by name.
pub fn is_unnamed_volume(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The rest of `path` below `folder`; empty where they are the same.
pub fn path_below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    match rest.is_empty() || rest.starts_with('/') {
        true => Some(rest.trim_start_matches('/')),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_a_volume_or_a_folder_is_a_part_of_it() {
        let volume = Storage::Volume { name: "v".into(), subpath: Some("a/".into()) };
        assert_eq!(volume.below("/b/c").to_string(), "volume v, a/b/c");
        assert_eq!(Storage::volume("v").below(""), Storage::volume("v"));
        let host = Storage::Host { path: "/srv/".into() };
        assert_eq!(
            (host.below("b").to_string(), host.below("").to_string()),
            ("host /srv/b".into(), "host /srv/".into())
        );
        assert_eq!(Storage::Tmpfs.below("b"), Storage::Tmpfs);
    }

    #[test]
    fn a_path_is_below_a_folder_part_by_part() {
        assert_eq!(path_below("/data/a", "/data"), Some("a"));
        assert_eq!(path_below("/data", "/data/"), Some(""));
        assert_eq!(path_below("/database", "/data"), None);
        assert_eq!(path_below("/a", "/"), Some("a"));
    }
}
