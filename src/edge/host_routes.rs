//! The routes of the host. The edge runs in the host's network, so it is the one to see them.

use crate::model::HostRoute;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// `RTF_UP` and `RTF_REJECT` of the kernel (include/uapi/linux/route.h).
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// All but the way to everywhere else; none where they cannot be read.
pub fn host_routes() -> Vec<HostRoute> {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    table.lines().filter_map(route).collect()
}

/// `eth0 000A0A0A 00000000 0001 0 0 0 00FFFFFF ...`: addresses are written as the machine keeps them.
fn route(line: &str) -> Option<HostRoute> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [device, destination, _gateway, flags, _references, _use, _metric, mask, ..] = words.as_slice() else {
        return None;
    };
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let address = |word: &str| Some(Ipv4Addr::from(number(word)?.to_ne_bytes()));
    let flags = number(flags)?;
    if flags & UP == 0 || flags & REJECT != 0 {
        return None;
    }
    let net = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
    (net.prefix_len() > 0).then(|| HostRoute { net, device: (*device).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let read = |line: &str| route(line).map(|route| format!("{} {}", route.net, route.device));
        let vpn = "tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0 ";
        assert_eq!(read(vpn).as_deref(), Some("10.213.0.0/16 tun0"));
        assert_eq!(read(&vpn.replace("\t0001\t", "\t0201\t")), None, "a black hole leads nowhere");
        assert_eq!(read("eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0"), None, "the way to everywhere else");
        assert_eq!(read("Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT"), None);
    }

    #[test]
    fn those_of_this_machine_are_found() {
        assert!(host_routes().iter().all(|route| !route.device.is_empty()));
    }
}
