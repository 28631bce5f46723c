//! `launchway health`: whether the server or the edge works, for the health check of its own container.

use super::client::block_on;
use super::look;
use crate::config;
use crate::edge::EdgeClient;
use anyhow::{Context, bail};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Ask the server whether it works
///
/// Exits 0 when it does and 1 when it does not, for the health check of its own container.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask the edge instead
    #[arg(long)]
    edge: bool,
}

/// Asks the server whether it is well; exits 1 where it is not, or does not answer.
pub fn run(config_path: &Path, args: Args) -> anyhow::Result<ExitCode> {
    let config = config::load(config_path)?;
    if args.edge {
        return block_on(async {
            let health = EdgeClient::new(&config.data).health().await?;
            if health.ending {
                bail!("the edge (process {}) is about to end", health.pid);
            }
            println!("ok");
            Ok(ExitCode::SUCCESS)
        });
    }
    let mut address = config.listen;
    // "Every address" is where it listens, not where it can be reached.
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    block_on(async {
        let url = format!("http://{address}/healthz");
        let client = reqwest::Client::builder().timeout(Duration::from_secs(4)).no_proxy().build()?;
        let answer = client.get(&url).send().await.with_context(|| format!("the server does not answer at {url}"))?;
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        if !status.is_success() {
            bail!("the server at {url} does not work: {status}: {text}");
        }
        look::print(&format!("{text}\n"))?;
        Ok(ExitCode::SUCCESS)
    })
}
