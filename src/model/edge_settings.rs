//! How the edge is set up: the table `[edge]` of launchway.toml, checked.

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// What an edge is told at its start: where it listens, and how long it waits for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSettings {
    /// Where requests for `Listen::Shared` come in; may be empty.
    pub listen: Vec<EdgeAddress>,
    /// How long a request waits for a replica.
    pub hold: Duration,
    /// How many requests wait at one way in of a component at once.
    pub hold_most: usize,
    /// Peers whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long connections may go on after the edge was told to end.
    pub drain: Duration,
    /// Until the answer's head, counted from the last sign of life of the request's body.
    pub answer_timeout: Duration,
    pub connect_timeout: Duration,
    /// From a connection of HTTP to the end of its first request's head.
    pub head_timeout: Duration,
    /// How long bytes may wait for a client that takes none of them. Where the edge passes on bytes (plain TCP, WebSocket), it
    /// is [`EdgeSettings::UNREAD_OPEN`] times as long: who reads a database's answer row by row may take its time.
    pub unread_timeout: Duration,
    /// What the environments' edge networks are cut from.
    pub addresses: Ipv4Net,
    /// It is a front: its clients are components, and nothing is added to what they send.
    pub inside: bool,
}

/// An address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EdgeAddress {
    /// `None`: every address, IPv4 and IPv6.
    pub host_ip: Option<IpAddr>,
    pub port: u16,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            hold: Duration::from_secs(30),
            hold_most: 1000,
            trusted_proxies: Vec::new(),
            drain: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(2),
            head_timeout: Duration::from_secs(30),
            unread_timeout: Duration::from_secs(60),
            addresses: Ipv4Net::new_assert([10, 213, 0, 0].into(), 16),
            inside: false,
        }
    }
}

impl EdgeSettings {
    /// A connection that is no HTTP may leave bytes unread for so many times as long.
    pub const UNREAD_OPEN: u32 = 5;
}

impl EdgeAddress {
    /// Whether a socket on the one keeps a socket on the other from being opened.
    pub fn overlaps(&self, other: &EdgeAddress) -> bool {
        let every = |ip: IpAddr, of: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || of.is_ipv4());
        self.port == other.port
            && match (self.host_ip, other.host_ip) {
                (Some(one), Some(two)) => one == two || every(one, two) || every(two, one),
                _ => true,
            }
    }
}

impl fmt::Display for EdgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl FromStr for EdgeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not an address with a port, such as \":80\" (every address) or \"192.0.2.7:80\"");
        let address = match text.strip_prefix(':') {
            Some(port) => EdgeAddress { host_ip: None, port: port.parse().map_err(|_| wrong())? },
            None => {
                let address: SocketAddr = text.parse().map_err(|_| wrong())?;
                EdgeAddress { host_ip: Some(address.ip()), port: address.port() }
            }
        };
        if address.port == 0 { Err(wrong()) } else { Ok(address) }
    }
}

impl TryFrom<String> for EdgeAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EdgeAddress> for String {
    fn from(address: EdgeAddress) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in [":80", "127.0.0.1:8080", "[::1]:443", "0.0.0.0:1"] {
            assert_eq!(text.parse::<EdgeAddress>().unwrap().to_string(), text);
        }
        for bad in ["", "80", ":0", ":", "localhost:80", "127.0.0.1", ":65536"] {
            assert!(bad.parse::<EdgeAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_socket_per_address_and_port() {
        let overlap = |a: &str, b: &str| a.parse::<EdgeAddress>().unwrap().overlaps(&b.parse().unwrap());
        assert!(
            overlap(":80", "127.0.0.1:80") && overlap("0.0.0.0:80", "10.0.0.1:80") && overlap("[::]:80", "10.0.0.1:80")
        );
        assert!(!overlap("127.0.0.1:80", "10.0.0.1:80") && !overlap("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!overlap("0.0.0.0:80", "[::1]:80"));
    }
}
