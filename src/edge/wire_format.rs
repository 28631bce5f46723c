//! What the control API says beside the model's own types.

use crate::model::{EdgeAddress, HostRoute, Replica};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub version: String,
    pub pid: u32,
    /// Unix time of the start, in milliseconds.
    pub since: i64,
    /// It drains.
    pub ending: bool,
    pub listeners: Vec<Listener>,
    /// Which program a front runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// When a front began without an address that it had had: Unix time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_ms: Option<i64>,
    /// Where the host leads by itself, as no network of ours may lie there.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// The lowest port that it may open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest_port: Option<u16>,
}

/// What is asked at a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub addresses: Vec<IpAddr>,
    pub port: u16,
}

/// What a port says to a request of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    Http,
    /// Bytes that are no answer of HTTP.
    Other,
    /// Nobody listens there, or says nothing in time.
    Nothing,
    /// The container is not reached from here.
    Unreachable,
}

/// Ports of a replica that are to be connected to, as for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    pub replica: Replica,
    pub ports: Vec<u16>,
}

/// What came of connecting to a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knocked {
    Accepts,
    /// Why there is no connection, as the system says it.
    Not(String),
}

impl Knocked {
    /// Those of the ports that take connections; `knocked` by the order of `ports`.
    pub fn accepting(ports: &[u16], knocked: &[Self]) -> Vec<u16> {
        let taken = ports.iter().zip(knocked).filter(|(_, knocked)| **knocked == Self::Accepts);
        taken.map(|(port, _)| *port).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: EdgeAddress,
    /// Why it is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub status: u16,
    pub detail: String,
}

impl Problem {
    pub fn new(status: u16, detail: String) -> Self {
        Self { status, detail }
    }
}
