//! A volume's driver and its options: `local` mounts whatever its options say, as root.

use super::host_paths;
use super::mount_options;
use super::read::ReadRequest;
use super::view::View;
use crate::model::{Quoted, Volume};

/// Kinds of file systems that come over the network.
const REMOTE: &[&str] = &["nfs", "nfs4", "cifs", "smb3"];
/// Options that name a server, or the address at which it is found.
const SERVERS: &[&str] = &["addr", "ip", "mountaddr", "mounthost"];

pub fn check(request: &ReadRequest<'_>, view: &View<'_>, volume: &Volume) {
    if let Some(driver) = volume.driver.as_deref().filter(|driver| !driver.is_empty() && *driver != "local") {
        if !request.allowed.volume_drivers.iter().any(|allowed| allowed == driver) {
            let why = format!("volume driver {driver} is refused;");
            let at = view.get("driver").unwrap_or(view.clone());
            at.refuse(&why, format!("volume-drivers = [{driver:?}]"));
        }
        return;
    }
    let Some(options) = view.get("driver_opts") else { return };
    for (key, value) in options.entries() {
        if !["type", "o", "device", "size"].contains(&key) {
            value.error(format!(
                "{key:?} is no option of the local driver; accepted: type, o, device, size",
                key = Quoted(&key)
            ));
        }
    }
    // Without a device nothing is mounted, and the engine says so.
    let Some(device) = options.get("device") else { return };
    let option = |key: &str| volume.driver_opts.get(key).map(String::as_str).unwrap_or_default();
    let at = options.get("o").unwrap_or(options.clone());
    let (kind, path) = (option("type"), option("device"));
    let words: Vec<&str> = option("o").split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let binds = words.iter().any(|word| ["bind", "rbind"].contains(word));
    match kind {
        // The kernel does not look at the type of a bind.
        _ if binds => bind(request, &device, path),
        "tmpfs" => {}
        remote if REMOTE.contains(&remote) => return share(request, &at, &device, path, &words),
        _ => {
            let at = options.get("type").unwrap_or(options.clone());
            at.error(format!(
                "a volume of the local driver may be a tmpfs, a share of a server ({}) or a folder of the host (`type: \
                 none`, `o: bind`), not {kind:?}: mount it on the host, and let the volume bind the folder",
                REMOTE.join(", "),
                kind = Quoted(&kind)
            ));
            return;
        }
    }
    for word in words.iter().filter(|word| !(mount_options::is_harmless(word) || ["bind", "rbind"].contains(*word))) {
        at.error(format!(
            "{word:?} is no option that a volume may have; accepted: {}",
            mount_options::ACCEPTED,
            word = Quoted(&word)
        ));
    }
}

/// Where a volume lies over a folder of the repository (`type: none`, `o: bind`, `device: ./x`): who mounts the volume mounts that
/// folder, as by `./x` under `volumes` of the service.
pub fn folder_of_the_commit<'n>(volume: &View<'n>) -> Option<View<'n>> {
    let is_local = volume.get("driver").is_none_or(|driver| matches!(driver.node.text(), Some("" | "local")));
    let options = volume.get("driver_opts").filter(|_| is_local)?;
    let words = options.get("o")?;
    let binds = words.node.text()?.split(',').any(|word| ["bind", "rbind"].contains(&word.trim()));
    options.get("device").filter(|device| binds && device.node.text().is_some_and(|path| !path.starts_with('/')))
}

fn bind(request: &ReadRequest<'_>, device: &View<'_>, path: &str) {
    // What is no path of the host is looked up in the commit by who mounts the volume.
    if path.starts_with('/') {
        host_paths::itself(&request.allowed, device, path);
    }
}

/// A share of a server, which sees the host's address, and takes it for the host.
fn share(request: &ReadRequest<'_>, at: &View<'_>, device: &View<'_>, path: &str, words: &[&str]) {
    for word in words.iter().filter(|word| mount_options::moves(word)) {
        at.error(format!(
            "{word:?} is no option that a volume may have: it is about other mounts of the host",
            word = Quoted(&word)
        ));
    }
    let named = words.iter().filter_map(|word| word.split_once('='));
    let mut servers: Vec<&str> =
        named.filter(|(key, _)| SERVERS.contains(&key.trim())).map(|(_, server)| server.trim()).collect();
    // `//server/share`, or `server:/path`; with `addr` the rest is only a name.
    let path = path.replace('\\', "/");
    let of_device = match path.strip_prefix("//") {
        Some(rest) => rest.split('/').next(),
        None => path.rsplit_once(":/").map(|(server, _)| server),
    };
    servers.extend(of_device.filter(|server| !server.is_empty()));
    if servers.is_empty() {
        device
            .error("which server? Name it in `o` (`addr=nas.example.com`) or in the device (`//nas.example.com/data`)");
    }
    for server in servers {
        let server = server.trim_start_matches('[').trim_end_matches(']');
        let allowed = &request.allowed.remote_volumes;
        if !allowed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(server)) {
            let why =
                format!("a share of {server} would be mounted with the host's address and identity, so it is refused;");
            at.refuse(&why, format!("remote-volumes = [{server:?}]"));
        }
    }
}
