//! What reaches beyond a container: refused unless the server's settings allow it, with the key that would.

use super::component::Context;
use crate::compose::view::View;
use crate::model::{Permissions, Quoted};

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
    "WAKE_ALARM",
];

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

/// However it is written: `CAP_SYS_NICE`, `sys_nice`.
fn plain_capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_string).unwrap_or(name)
}

pub fn allows_capability(allowed: &Permissions, name: &str) -> bool {
    allowed.privileged || allowed.capabilities.iter().any(|a| [name, "ALL"].contains(&plain_capability(a).as_str()))
}

pub fn capabilities(context: &Context<'_>, view: &View<'_>) -> Vec<String> {
    let read = |item: View<'_>| {
        let written = item.text()?;
        let name = plain_capability(&written);
        let is_allowed = HARMLESS.contains(&name.as_str()) || allows_capability(&context.request.allowed, &name);
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
            // Without it the engine's settings decide, which may be strict: any word but `true` may loosen them.
            ("no-new-privileges", _) => option != name && value != "true",
            ("apparmor", value) => value != "docker-default",
            _ => true,
        };
        if weakens && !context.request.allowed.unconfined {
            let why =
                format!("{option:?} takes a protection of the host away, so it is refused;", option = Quoted(&option));
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
    let listed = |item: &View<'_>, source: &str| {
        let is_listed = allowed.iter().any(|a| a == "*" || a == source);
        if !is_listed {
            item.refuse(&format!("device {source} of the host is refused;"), format!("devices = [{source:?}]"));
        }
        is_listed
    };
    let read = |item: View<'_>| {
        let (source, device) = match item.node.entries() {
            None => {
                let text = item.text()?;
                // `vendor.com/gpu=0:1` is one device of a vendor's own list.
                let source = if is_of_a_vendor(&text) { Some(text.as_str()) } else { text.split(':').next() };
                (source.unwrap_or_default().to_string(), text)
            }
            Some(_) => {
                item.only(&["source", "target", "permissions"]);
                let part = |key: &str| item.get(key).and_then(|v| v.text());
                let Some(source) = part("source") else {
                    item.error("needs `source:`, the device's path on the host");
                    return None;
                };
                if source.starts_with('/') && source.contains(':') {
                    item.error(format!("{source:?} is no path of a device", source = Quoted(&source)));
                    return None;
                }
                if is_of_a_vendor(&source) {
                    return listed(&item, &source).then_some(source);
                }
                let target = part("target").unwrap_or(source.clone());
                (source.clone(), format!("{source}:{target}:{}", part("permissions").unwrap_or("rwm".into())))
            }
        };
        listed(&item, &source);
        Some(device)
    };
    view.items().into_iter().filter_map(read).collect()
}

/// The name of a device by a vendor's description (CDI), such as `nvidia.com/gpu=all`.
fn is_of_a_vendor(device: &str) -> bool {
    !device.starts_with('/') && device.contains('=')
}

pub fn cgroup_parent(context: &Context<'_>, view: &View<'_>) -> Option<String> {
    let parent = view.get("cgroup_parent")?;
    if !context.request.allowed.cgroup_parent {
        parent.refuse("a control group of one's own is refused;", "cgroup-parent = true");
    }
    parent.text()
}
