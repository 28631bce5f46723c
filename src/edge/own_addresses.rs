//! The addresses at which a front is found. The engine may give its container others when it is started anew, and whoever
//! has looked the name up once and for all would go on asking the old ones: so the front notes when it was moved.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

/// In the front's folder.
const FILE: &str = "addresses.json";
/// The kernel's, of the container's own network.
const TRIE: &str = "/proc/net/fib_trie";

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    addresses: BTreeSet<Ipv4Addr>,
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
        Ok(trie) => own(&trie),
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

fn noted(before: Option<Noted>, addresses: BTreeSet<Ipv4Addr>, now_ms: i64) -> Noted {
    let Some(before) = before else { return Noted { addresses, moved_ms: None } };
    let is_moved = !before.addresses.is_subset(&addresses);
    Noted { addresses, moved_ms: if is_moved { Some(now_ms) } else { before.moved_ms } }
}

/// The kernel's routing trie (`/proc/net/fib_trie`): an address of this host's own is a leaf of one address that is local.
fn own(trie: &str) -> BTreeSet<Ipv4Addr> {
    let lines: Vec<&str> = trie.lines().map(str::trim).collect();
    let leaves = lines.windows(2).filter(|pair| pair[1] == "/32 host LOCAL");
    let addresses = leaves.filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok());
    addresses.filter(|address| !address.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_CONTAINER: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.1\n           /32 host LOCAL\n     +-- 172.18.0.0/16 2 0 2\n        |-- 172.18.0.0\n           /16 link UNICAST\n        |-- 172.18.0.5\n           /32 host LOCAL\n        |-- 172.18.255.255\n           /32 link BROADCAST\nLocal:\n  |-- 172.18.0.5\n     /32 host LOCAL\n";

    #[test]
    fn the_kernels_trie_is_read() {
        assert_eq!(own(OF_A_CONTAINER), BTreeSet::from([Ipv4Addr::new(172, 18, 0, 5)]));
    }

    #[test]
    fn a_front_is_moved_when_it_lacks_an_address_that_it_had() {
        let at = |last: &[u8]| last.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect::<BTreeSet<_>>();
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
