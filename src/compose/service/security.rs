//! What reaches beyond a container: refused unless the server's settings allow it, with the key that would.

use super::component::Context;
use crate::compose::read::ReadRequest;
use crate::compose::view::View;
use crate::model::{Permissions, Volume};

/// Capabilities that a container has anyway, or that reach nothing outside it.
const HARMLESS: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "KILL",
    "LEASE",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "SYS_NICE",
    "WAKE_ALARM",
];
const SOCKETS: &[&str] = &["docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"];
/// Kinds of file systems that a volume of the `local` driver mounts over the network: no path of the host.
const REMOTE: &[&str] = &["nfs", "nfs4", "cifs", "smb3"];

pub fn privileged(context: &Context<'_>, view: &View<'_>) -> bool {
    if let Some(socket) = view.get("use_api_socket").filter(|v| v.bool() == Some(true)) {
        socket.error("`use_api_socket` is not supported; mount the socket under `volumes`");
    }
    let Some(privileged) = view.get("privileged") else { return false };
    let wanted = privileged.bool().unwrap_or(false);
    if wanted && !context.request.allowed.privileged {
        privileged.refuse("a privileged container is root on the host, so it is refused;", "privileged = true");
    }
    wanted
}

pub fn capabilities(context: &Context<'_>, view: &View<'_>) -> Vec<String> {
    let allowed = &context.request.allowed.capabilities;
    let plain = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").map(str::to_string).unwrap_or(name)
    };
    let read = |item: View<'_>| {
        let written = item.text()?;
        let name = plain(&written);
        let is_allowed =
            HARMLESS.contains(&name.as_str()) || allowed.iter().any(|a| [&name, "ALL"].contains(&&*plain(a)));
        if !is_allowed {
            let why = format!("capability {name} reaches beyond the container, so it is refused;");
            item.refuse(&why, format!("capabilities = [{name:?}]"));
        }
        Some(written)
    };
    view.items().into_iter().filter_map(read).collect()
}

pub fn options(context: &Context<'_>, view: &View<'_>) -> Vec<String> {
    let read = |item: View<'_>| {
        let option = item.text()?;
        let (name, value) = option.split_once(['=', ':']).unwrap_or((&option, ""));
        let weakens = match (name, value) {
            ("no-new-privileges", _) => value == "false",
            ("apparmor", value) => value != "docker-default",
            _ => true,
        };
        if weakens && !context.request.allowed.unconfined {
            let why = format!("{option:?} takes a protection of the host away, so it is refused;");
            item.refuse(&why, "unconfined = true");
        }
        if name == "seccomp" && value != "unconfined" {
            item.error("a seccomp profile from a file is not supported; accepted: seccomp=unconfined");
        }
        Some(option)
    };
    view.items().into_iter().filter_map(read).collect()
}

/// Devices as `source:target:permissions`.
pub fn devices(context: &Context<'_>, view: &View<'_>) -> Vec<String> {
    let allowed = &context.request.allowed.devices;
    let read = |item: View<'_>| {
        let (source, device) = match item.node.entries() {
            None => {
                let text = item.text()?;
                (text.split(':').next().unwrap_or_default().to_string(), text)
            }
            Some(_) => {
                item.only(&["source", "target", "permissions"]);
                let part = |key: &str| item.get(key).and_then(|v| v.text());
                let Some(source) = part("source") else {
                    item.error("needs `source:`, the device's path on the host");
                    return None;
                };
                let target = part("target").unwrap_or(source.clone());
                (source.clone(), format!("{source}:{target}:{}", part("permissions").unwrap_or("rwm".into())))
            }
        };
        if !allowed.iter().any(|a| a == "*" || *a == source) {
            item.refuse(&format!("device {source} of the host is refused;"), format!("devices = [{source:?}]"));
        }
        Some(device)
    };
    view.items().into_iter().filter_map(read).collect()
}

pub fn cgroup_parent(context: &Context<'_>, view: &View<'_>) -> Option<String> {
    let parent = view.get("cgroup_parent")?;
    if !context.request.allowed.cgroup_parent {
        parent.refuse("a control group of one's own is refused;", "cgroup-parent = true");
    }
    parent.text()
}

/// Whether an absolute path of the host may be mounted; reports it where not. Returns the path without `.` and `..`.
pub fn host_path(allowed: &Permissions, view: &View<'_>, path: &str) -> Option<String> {
    let path = normal(path);
    if SOCKETS.iter().any(|socket| path.ends_with(&format!("/{socket}"))) {
        if !allowed.engine_socket {
            let why =
                format!("{path} is the engine's socket, and whoever holds it is root on the host, so it is refused;");
            view.refuse(&why, "engine-socket = true");
            return None;
        }
        return Some(path);
    }
    let below = |folder: &String| {
        let folder = normal(folder);
        folder == "/" || path == folder || path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    if !allowed.host_paths.iter().any(below) {
        let why = format!("{path} is a path of the host, so it is refused; use a named volume, or");
        view.refuse(&why, format!("host-paths = [{path:?}]"));
        return None;
    }
    Some(path)
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

/// A volume's driver and its options: `local` can be told to mount any path or device of the host.
pub fn volume_driver(request: &ReadRequest<'_>, view: &View<'_>, volume: &Volume) {
    if let Some(driver) = volume.driver.as_deref().filter(|driver| *driver != "local") {
        if !request.allowed.volume_drivers.iter().any(|allowed| allowed == driver) {
            let why = format!("volume driver {driver} is refused;");
            let at = view.get("driver").unwrap_or(view.clone());
            at.refuse(&why, format!("volume-drivers = [{driver:?}]"));
        }
        return;
    }
    let Some(options) = view.get("driver_opts") else { return };
    let option = |key: &str| volume.driver_opts.get(key).map(String::as_str).unwrap_or_default();
    let binds = option("o").split(',').any(|o| ["bind", "rbind", "move"].contains(&o.trim()));
    let kind = option("type");
    if !binds && (REMOTE.contains(&kind) || kind == "tmpfs") {
        return;
    }
    let Some(device) = options.get("device") else { return };
    let path = option("device");
    if path.starts_with('/') {
        host_path(&request.allowed, &device, path);
    } else {
        device.error(format!(
            "{path:?} is no absolute path of the host; a volume over a folder of the repository is not supported: \
             mount it under `volumes` of the service"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn paths_of_the_host_are_compared_without_dots() {
        assert_eq!(normal("/srv/../etc//x/."), "/etc/x");
        assert_eq!(normal("/../.."), "/");
    }
}
