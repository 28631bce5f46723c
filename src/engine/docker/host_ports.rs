//! Ports that processes of this machine listen on: what the engine will not get, it should not have to find out after
//! something was stopped.

use crate::model::{Protocol, PublishedPort};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// `LISTEN` in the kernel's tables (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// TCP ports that somebody listens on here; nothing where this process does not see the engine's own network, such as
/// in a container. What the engine publishes itself is among them.
pub(super) fn listening() -> Vec<PublishedPort> {
    // The engine's first bridge is where its containers' ports are opened.
    if !Path::new("/sys/class/net/docker0").exists() {
        return Vec::new();
    }
    let table = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (four, six) = (table("/proc/net/tcp"), table("/proc/net/tcp6"));
    four.lines().chain(six.lines()).filter_map(listener).collect()
}

/// `  0: 0100007F:1F90 00000000:0000 0A ...`: addresses are written as the machine keeps them, in words of 32 bits.
fn listener(line: &str) -> Option<PublishedPort> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let (_remote, state) = (words.next()?, words.next()?);
    if state != LISTEN {
        return None;
    }
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let host_ip = match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(four), _) => Ipv4Addr::from(four).to_string(),
        (_, Ok(sixteen)) => {
            let address = Ipv6Addr::from(sixteen);
            address.to_ipv4_mapped().map_or_else(|| address.to_string(), |four| four.to_string())
        }
        _ => return None,
    };
    Some(PublishedPort { host_ip, port: u16::from_str_radix(port, 16).ok()?, protocol: Protocol::Tcp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let read = |line: &str| listener(line).map(|port| format!("{}:{}", port.host_ip, port.port));
        let four = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1";
        assert_eq!(read(four).as_deref(), Some("127.0.0.1:8080"));
        let six =
            "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1";
        assert_eq!(read(six).as_deref(), Some("::1:80"));
        assert_eq!(read(&four.replace(" 0A ", " 01 ")), None, "a connection is no listener");
        assert_eq!(read("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn a_port_that_this_test_opens_is_among_them() {
        if !Path::new("/sys/class/net/docker0").exists() {
            return;
        }
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = open.local_addr().unwrap().port();
        assert!(listening().iter().any(|held| held.port == port && held.host_ip == "127.0.0.1"));
    }
}
