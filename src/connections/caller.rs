//! Whose connection it is: the peer's, or, behind a proxy that is believed, the one whom that names.

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;
use std::sync::Arc;

/// Proxies whose word on who asks is believed.
#[derive(Debug, Clone, Default)]
pub struct Trusted(Arc<[IpNet]>);

/// Who asks, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(pub IpAddr);

impl Trusted {
    /// The proxies with addresses in these ranges.
    pub fn new(ranges: &[IpNet]) -> Self {
        Self(ranges.into())
    }

    /// Every address: inside an environment, where only its own containers call.
    pub fn everybody() -> Self {
        Self::new(&[Ipv4Net::default().into(), Ipv6Net::default().into()])
    }

    /// Whether what this peer says of who asks is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|range| range.contains(&peer))
    }

    /// The last in the chain that is no proxy of ours: what stands before it, anybody may have written.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> Caller {
        let mut caller = peer.to_canonical();
        if !self.trusts(caller) {
            return Caller(caller);
        }
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        for name in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Ok(address) = name.trim().parse::<IpAddr>() else { break };
            caller = address.to_canonical();
            if !self.trusts(caller) {
                break;
            }
        }
        Caller(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, chain: &[&str]) -> String {
        let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in chain {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        trusted.caller(peer.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn only_a_proxy_that_is_believed_says_who_asks() {
        assert_eq!(caller("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(caller("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(caller("::ffff:127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        // What the client itself wrote comes first in the chain.
        assert_eq!(caller("127.0.0.1", &["198.51.100.1, 203.0.113.9, 10.1.2.3"]), "203.0.113.9");
        assert_eq!(caller("127.0.0.1", &["198.51.100.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(caller("127.0.0.1", &["203.0.113.9, who knows"]), "127.0.0.1");
        assert_eq!(caller("127.0.0.1", &[]), "127.0.0.1");
        assert!(
            Trusted::everybody().trusts([192, 0, 2, 1].into()) && Trusted::everybody().trusts("::1".parse().unwrap())
        );
    }
}
