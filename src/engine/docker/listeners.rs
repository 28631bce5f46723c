//! Where the processes of a container listen: what the kernel tells of its network in `/proc`.

use super::connect::DockerEngine;
use crate::engine::EngineError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// `TCP_LISTEN` (include/net/tcp_states.h).
const LISTENS: &str = "0A";

impl DockerEngine {
    /// `None`: the engine is on another machine, or its processes are not seen from here.
    pub(super) async fn listeners_of(&self, container: &str) -> Result<Option<Vec<SocketAddr>>, EngineError> {
        let Some(found) = self.look_up(container).await?.filter(|_| self.local) else { return Ok(None) };
        let pid = found.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        let (Some(pid), Some(id)) = (pid, found.id) else { return Ok(None) };
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if !is_process_of(&folder, &id) {
            return Ok(None);
        }
        let Ok(four) = std::fs::read_to_string(folder.join("net/tcp")) else { return Ok(None) };
        // A kernel without IPv6 has no such file.
        let six = std::fs::read_to_string(folder.join("net/tcp6")).unwrap_or_default();
        Ok(Some(four.lines().chain(six.lines()).filter_map(listener).collect()))
    }
}

/// Whether this is the container's process: where the server has processes of its own (in a container), the number is
/// somebody else's. The control group's path names the container, and so do the files that the engine mounts into it.
fn is_process_of(folder: &Path, id: &str) -> bool {
    ["cgroup", "mountinfo"].iter().any(|file| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.contains(id)
    })
}

/// `  0: 0100007F:1F90 00000000:0000 0A ...`: words of the address as the machine keeps them (Linux, proc_net_tcp.rst).
fn listener(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace().skip(1);
    let (local, state) = (words.next()?, words.nth(1)?);
    let (address, port) = local.split_once(':').filter(|_| state == LISTENS)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let bytes = hex::decode(address).ok()?;
    let in_order = bytes.chunks_exact(4).flat_map(|word| {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        u32::from_be_bytes(word).to_ne_bytes()
    });
    let in_order: Vec<u8> = in_order.collect();
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(in_order).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(in_order).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0300A8C0:0050 0100A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   3: 00000000000000000000000001000000:2406 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   4: 0000000000000000FFFF00000100007F:2407 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000";
        let found: Vec<String> = text.lines().filter_map(listener).map(|at| at.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:8080", "[::]:80", "[::1]:9222", "127.0.0.1:9223"]);
    }

    #[test]
    fn no_line_makes_it_panic() {
        for line in ["", "0:", "0: :", "0: 01:00 00:00 0A", "0: zz:zz 00:00 0A", "0: 010000:1F90 00000000:0000 0A"] {
            assert_eq!(listener(line), None, "{line:?}");
        }
    }
}
