//! The addresses at which a front is found. The engine may give its container others when it is started anew, and whoever
//! has looked the name up once and for all would go on asking the old ones: so the front notes when it was moved.

use super::resolver::{address_of, is_of_the_link};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// In the front's folder.
const FILE: &str = "addresses.json";
/// The kernel's, of the container's own network. That of IPv6 is not there where the kernel has none.
const TRIE: &str = "/proc/net/fib_trie";
const INTERFACES_6: &str = "/proc/net/if_inet6";

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    addresses: BTreeSet<IpAddr>,
    /// Unix time in milliseconds.
    moved_ms: Option<i64>,
}

/// Notes at which addresses it begins to serve. Returns when it last began without one that it had before: Unix time in
/// milliseconds, `None` where it never did.
pub fn note(folder: &Path, now_ms: i64) -> Option<i64> {
    let file = folder.join(FILE);
    // What is not understood is noted anew: nobody can tell then what it was.
    let before: Option<Noted> = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let addresses = match std::fs::read_to_string(TRIE) {
        Ok(trie) => own(&trie).chain(own_6(&std::fs::read_to_string(INTERFACES_6).unwrap_or_default())).collect(),
        Err(error) => {
            tracing::warn!(error = %error, "{TRIE} cannot be read, so nobody is told should the address change");
            return before.and_then(|before| before.moved_ms);
        }
    };
    let noted = noted(before, addresses, now_ms);
    // It serves all the same: what is lost is only that its callers are told.
    if let Err(error) = write(&file, &noted) {
        tracing::warn!(error = %format!("{error:#}"), "The own addresses could not be noted");
    }
    noted.moved_ms
}

/// Whole, or not at all.
fn write(file: &Path, noted: &Noted) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(noted)?).with_context(|| format!("cannot write {}", new.display()))?;
    std::fs::rename(&new, file).with_context(|| format!("cannot write {}", file.display()))
}

fn noted(before: Option<Noted>, addresses: BTreeSet<IpAddr>, now_ms: i64) -> Noted {
    let Some(before) = before else { return Noted { addresses, moved_ms: None } };
    let is_moved = !before.addresses.is_subset(&addresses);
    Noted { addresses, moved_ms: if is_moved { Some(now_ms) } else { before.moved_ms } }
}

/// The kernel's routing trie (`/proc/net/fib_trie`): an address of this host's own is a leaf of one address that is local.
fn own(trie: &str) -> impl Iterator<Item = IpAddr> {
    let mut lines = trie.lines().map(str::trim).peekable();
    let leaves = std::iter::from_fn(move || Some((lines.next()?, lines.peek().copied())));
    let leaves = leaves.filter(|(_, next)| *next == Some("/32 host LOCAL"));
    let addresses = leaves.filter_map(|(line, _)| line.strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok());
    addresses.filter(|address| !address.is_loopback()).map(IpAddr::V4)
}

/// The kernel's addresses of IPv6 that are of more than their own link.
fn own_6(interfaces: &str) -> impl Iterator<Item = IpAddr> {
    let networks = interfaces.lines().filter_map(address_of).filter(|net| !is_of_the_link(net));
    networks.map(|net| IpAddr::V6(net.addr()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_CONTAINER: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.1\n           /32 host LOCAL\n     +-- 172.18.0.0/16 2 0 2\n        |-- 172.18.0.0\n           /16 link UNICAST\n        |-- 172.18.0.5\n           /32 host LOCAL\n        |-- 172.18.255.255\n           /32 link BROADCAST\nLocal:\n  |-- 172.18.0.5\n     /32 host LOCAL\n";

    #[test]
    fn the_kernels_trie_is_read() {
        assert_eq!(own(OF_A_CONTAINER).collect::<BTreeSet<_>>(), BTreeSet::from([IpAddr::from([172, 18, 0, 5])]));
    }

    #[test]
    fn addresses_of_ipv6_are_those_that_others_can_use() {
        let of_a_container = "fe80000000000000004297fffedf8cf9 8a7 40 20 80 eth0\nfd5a0000000000000000000000000005 04 40 00 82 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        assert_eq!(own_6(of_a_container).collect::<Vec<_>>(), ["fd5a::5".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_front_is_moved_when_it_lacks_an_address_that_it_had() {
        let at = |last: &[u8]| last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect::<BTreeSet<_>>();
        let first = noted(None, at(&[2]), 1);
        assert_eq!(first.moved_ms, None);
        let on_another_network_too = noted(Some(first), at(&[2, 7]), 2);
        assert_eq!(on_another_network_too.moved_ms, None);
        let moved = noted(Some(on_another_network_too), at(&[2, 8]), 3);
        assert_eq!(moved.moved_ms, Some(3));
        assert_eq!(
            noted(Some(moved), at(&[2, 8]), 4).moved_ms,
            Some(3),
            "its program began anew, at the same addresses"
        );
    }
}
