//! Probes of a container that starts: its health check's own command, its TCP ports.

use super::connect::DockerEngine;
use super::ready::{Check, Probed};
use crate::engine::EngineError;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take to come up: the containers of this machine answer in microseconds.
const CONNECT: Duration = Duration::from_secs(1);

/// What is kept of a check's output.
const MOST_OUTPUT: usize = 4096;

impl DockerEngine {
    /// Runs the health check's command as the engine would. An exec that outlives its time goes on in the container,
    /// as the engine's own checks do there.
    pub(super) async fn try_check(&self, id: &str, check: Check) -> Probed {
        let limit = check.timeout;
        match tokio::time::timeout(limit, self.run_check(id, check)).await {
            Ok(Ok((0, _))) => Probed::CheckPassed,
            Ok(Ok((code, said))) if said.trim().is_empty() => {
                Probed::CheckFailed { said: format!("nothing, with exit code {code}") }
            }
            Ok(Ok((_, said))) => Probed::CheckFailed { said },
            // Such as a container that ended meanwhile, which the next look shows, or a command that does not exist.
            Ok(Err(error)) => Probed::CheckFailed { said: error.to_string() },
            Err(_) => Probed::CheckFailed { said: format!("nothing within its timeout of {} s", limit.as_secs_f32()) },
        }
    }

    async fn run_check(&self, id: &str, check: Check) -> Result<(i64, String), bollard::errors::Error> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(check.command),
            ..Default::default()
        };
        let exec = self.client().create_exec(id, options).await?.id;
        let mut said = Vec::new();
        if let StartExecResults::Attached { mut output, .. } = self.client().start_exec(&exec, None).await? {
            while let Some(piece) = output.next().await {
                let piece = piece?.into_bytes();
                let room = MOST_OUTPUT.saturating_sub(said.len());
                said.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            // What was cut may be half of a secret, which nobody would recognise.
            if said.len() == MOST_OUTPUT
                && let Some(end) = said.iter().rposition(u8::is_ascii_whitespace)
            {
                said.truncate(end);
            }
        }
        // The output can end a moment before the exit code is known.
        loop {
            let state = self.client().inspect_exec(&exec).await?;
            match (state.running, state.exit_code) {
                (Some(true), _) | (_, None) => tokio::time::sleep(Duration::from_millis(20)).await,
                (_, Some(code)) => return Ok((code, String::from_utf8_lossy(&said).into_owned())),
            }
        }
    }

    /// Connects to each of the ports at each address of the container at once; the first that answers counts.
    pub(super) async fn try_ports(&self, found: ContainerInspectResponse, ports: Vec<u16>) -> Probed {
        if !self.local {
            return Probed::Unreachable { tried: "the engine is on another machine".into() };
        }
        let addresses = self.addresses(&found).await;
        if addresses.is_empty() {
            return Probed::Unreachable { tried: "it has no address".into() };
        }
        let every = addresses.iter().flat_map(|address| ports.iter().map(|port| SocketAddr::new(*address, *port)));
        let mut tries: FuturesUnordered<_> = every.map(knock).collect();
        let mut refused = None;
        let mut silent = None;
        while let Some((at, answer)) = tries.next().await {
            match answer {
                Ok(()) => return Probed::Answered { at: at.to_string() },
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
                    refused = Some(format!("{at}: {}", plain(&error)));
                }
                Err(error) => silent = Some(format!("{at}: {}", plain(&error))),
            }
        }
        match (refused, silent) {
            (Some(tried), _) => Probed::Refused { tried },
            (None, tried) => Probed::Unreachable { tried: tried.unwrap_or_default() },
        }
    }

    /// Where this machine reaches a container.
    pub(super) async fn reached_at(&self, container: &str) -> Result<Vec<IpAddr>, EngineError> {
        match self.look_up(container).await? {
            Some(found) if self.local => Ok(self.addresses(&found).await),
            _ => Ok(Vec::new()),
        }
    }

    async fn addresses(&self, found: &ContainerInspectResponse) -> Vec<IpAddr> {
        let mode = found.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
        if mode == "host" {
            return vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        }
        // The network is another container's, and so is the address.
        if let Some(other) = mode.strip_prefix("container:") {
            let other = self.look_up(other).await.ok().flatten();
            return other.map(|other| own_addresses(&other)).unwrap_or_default();
        }
        own_addresses(found)
    }
}

fn own_addresses(found: &ContainerInspectResponse) -> Vec<IpAddr> {
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut addresses: Vec<IpAddr> = networks
        .into_iter()
        .flat_map(|networks| networks.values())
        .flat_map(|endpoint| [&endpoint.ip_address, &endpoint.global_ipv6_address])
        .filter_map(|address| address.as_deref()?.parse().ok())
        .collect();
    addresses.sort();
    addresses
}

async fn knock(at: SocketAddr) -> (SocketAddr, std::io::Result<()>) {
    let answer = match tokio::time::timeout(CONNECT, TcpStream::connect(at)).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(std::io::Error::from(ErrorKind::TimedOut)),
    };
    (at, answer)
}

/// `connection refused` without the operating system's number.
fn plain(error: &std::io::Error) -> String {
    error.kind().to_string()
}
