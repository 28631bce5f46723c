//! Paths of the engine's host: which may be mounted, and by which way, so that nothing but they is.

use super::view::View;
use crate::model::Permissions;

const SOCKETS: &[&str] = &["docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"];

/// A path without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    pub path: String,
    /// The folder above it that containers may write to.
    pub below: Option<String>,
}

/// An absolute path that may be mounted; reported where not.
pub fn mountable(allowed: &Permissions, view: &View<'_>, path: &str) -> Option<HostPath> {
    let path = normal(path);
    if SOCKETS.iter().any(|socket| path.ends_with(&format!("/{socket}"))) {
        if !allowed.engine_socket {
            let why =
                format!("{path} is the engine's socket, and whoever holds it is root on the host, so it is refused;");
            view.refuse(&why, "engine-socket = true");
            return None;
        }
        return Some(HostPath { path, below: None });
    }
    let listed: Vec<String> = allowed.host_paths.iter().map(|listed| normal(listed)).collect();
    let Some(listed) = outermost(&listed, &path, true) else {
        let why = format!("{path} is a path of the host, so it is refused; use a named volume, or");
        view.refuse(&why, format!("host-paths = [{path:?}]"));
        return None;
    };
    let above = writable_above(allowed, &listed);
    if listed == path {
        return Some(HostPath { path, below: above });
    }
    // Whoever has all of the host has nothing to gain.
    if listed == "/" {
        return Some(HostPath { path, below: None });
    }
    if let Some(above) = above {
        view.error(format!(
            "{path} lies below {listed}, and that below {above}, which may be mounted, too: who writes there can lead \
             either elsewhere by a symbolic link. Mount {listed} itself, or list {path} under `allow.host-paths` in \
             place of {listed}"
        ));
        return None;
    }
    Some(HostPath { path, below: Some(listed) })
}

/// The same for what launchway.toml itself puts in a source's place.
pub fn given(allowed: &Permissions, path: &str) -> HostPath {
    let path = normal(path);
    let below = writable_above(allowed, &path);
    HostPath { path, below }
}

/// An absolute path that the engine itself opens, as root, following whatever links lead there: only a listed one, above
/// which nobody else writes. Reported where not. False: it may not be used.
pub fn itself(allowed: &Permissions, view: &View<'_>, path: &str) -> bool {
    match mountable(allowed, view, path) {
        Some(HostPath { below: None, .. }) => true,
        Some(HostPath { path, below: Some(below) }) => {
            view.error(format!(
                "{path} lies below {below}, which containers may write to: a symbolic link there would lead the engine \
                 anywhere, and only under `volumes` of a service is there a way that follows none. Use {below} itself"
            ));
            false
        }
        None => false,
    }
}

fn writable_above(allowed: &Permissions, path: &str) -> Option<String> {
    let all = allowed.host_paths.iter().chain(&allowed.mountable).chain(allowed.binds.values());
    let all: Vec<String> = all.map(|path| normal(path)).filter(|path| path != "/").collect();
    outermost(&all, path, false)
}

/// The shortest of `folders` that is above the path, or, where that counts, the path itself.
fn outermost(folders: &[String], path: &str, itself: bool) -> Option<String> {
    let above = |folder: &&String| {
        let rest = if *folder == "/" { Some(path) } else { path.strip_prefix(folder.as_str()) };
        rest.is_some_and(|rest| if rest.is_empty() { itself } else { rest.starts_with('/') })
    };
    folders.iter().filter(above).min_by_key(|folder| folder.len()).cloned()
}

fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_host_are_compared_without_dots() {
        assert_eq!(normal("/srv/../etc//x/."), "/etc/x");
        assert_eq!(normal("/../.."), "/");
    }

    #[test]
    fn the_outermost_folder_counts() {
        let folders = ["/srv/app".to_string(), "/srv".to_string(), "/".to_string()];
        assert_eq!(outermost(&folders[..2], "/srv/app/x", false).as_deref(), Some("/srv"));
        assert_eq!(outermost(&folders[..2], "/srv/application", false).as_deref(), Some("/srv"));
        assert_eq!(outermost(&folders[..1], "/srv/application", false), None);
        assert_eq!(outermost(&folders[..1], "/srv/app", false), None);
        assert_eq!(outermost(&folders[..1], "/srv/app", true).as_deref(), Some("/srv/app"));
        assert_eq!(outermost(&folders, "/x", false).as_deref(), Some("/"));
    }
}
