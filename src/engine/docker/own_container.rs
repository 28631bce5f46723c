//! The container that Launchway itself runs in, where it does.

use super::connect::DockerEngine;
use crate::engine::EngineError;
use std::collections::BTreeSet;

/// What of the engine's Launchway itself uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OwnThings {
    pub volumes: BTreeSet<String>,
    pub networks: BTreeSet<String>,
}

impl DockerEngine {
    /// Nothing where Launchway runs in no container of this engine. As long as this process runs it is the same.
    pub(super) async fn own_things(&self) -> Result<&OwnThings, EngineError> {
        self.own_things.get_or_try_init(|| self.find_own_things()).await
    }

    async fn find_own_things(&self) -> Result<OwnThings, EngineError> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some(id) = container_of(&mounts).filter(|_| self.local) else { return Ok(OwnThings::default()) };
        let Some(found) = self.look_up(id).await? else { return Ok(OwnThings::default()) };
        let volumes = found.mounts.into_iter().flatten().filter_map(|mount| mount.name).collect();
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Ok(OwnThings { volumes, networks: networks.into_keys().collect() })
    }
}

/// The engine mounts files of its own into each container (`/etc/hostname`, `/etc/hosts`), whatever network it is in, and
/// their path on the host has the container's id: `.../containers/<64 hex digits>/hostname` (proc_pid_mountinfo(5)).
fn container_of(mountinfo: &str) -> Option<&str> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let (before, _) = root.rsplit_once('/')?;
        let (_, id) = before.rsplit_once("/containers/")?;
        let is_its_own = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"].contains(&at);
        (is_its_own && id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::container_of;

    #[test]
    fn the_own_container_is_found_by_what_the_engine_mounts_into_it() {
        let id = "4f".repeat(32);
        let inside = format!(
            "612 590 0:52 / / rw - overlay overlay rw\n620 612 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(container_of(&inside), Some(id.as_str()));
        let outside = format!(
            "20 1 254:1 / / rw - ext4 /dev/vda1 rw\n30 20 0:9 /x/containers/{id}/hostname /mnt rw - ext4 x rw\n"
        );
        assert_eq!(container_of(&outside), None);
        assert_eq!(container_of(""), None);
    }
}
