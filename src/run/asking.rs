//! Ports whose Compose file does not say what they speak: before a component that can only be recreated is recreated, the
//! replica that runs is asked. Where it answers in HTTP, its requests can wait from then on.

use super::deployer::Deployer;
use crate::edge::speaks_http;
use crate::engine::{EngineError, Scope};
use crate::model::{ComponentName, Release, ReleasePart, Stack};
use crate::plan::fingerprint::same;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Ports of the container that speak HTTP.
pub type Answers = BTreeMap<ComponentName, BTreeSet<u16>>;

/// The containers of this machine answer in microseconds.
const CONNECTS_WITHIN: Duration = Duration::from_secs(1);

/// What was answered before.
pub fn known(live: Option<&Release>) -> Answers {
    let components = live.into_iter().flat_map(|live| live.stack.components.values());
    let answered = components.filter(|component| !component.answers_http.is_empty());
    answered.map(|component| (component.name.clone(), component.answers_http.clone())).collect()
}

impl Deployer {
    /// Which of the undecided ports speak HTTP, of components that are about to change: of all others nothing is to change
    /// for the answer.
    pub async fn ask(
        &self,
        scope: &Scope,
        live: Option<&Release>,
        (stack, parts): (&Stack, &BTreeMap<ComponentName, ReleasePart>),
        mut undecided: Answers,
    ) -> Result<Answers, EngineError> {
        let same = live.map(|live| same(live, stack, parts)).unwrap_or_default();
        undecided.retain(|name, _| !same.contains(name));
        if undecided.is_empty() {
            return Ok(Answers::new());
        }
        let observed = self.engine.observe(scope).await?;
        let mut answers = Answers::new();
        for (name, ports) in undecided {
            let Some(runs) = observed.containers.iter().find(|one| one.component == name && one.is_running()) else {
                continue;
            };
            let at = self.engine.addresses(&runs.id).await?;
            let asked = join_all(ports.into_iter().map(async |port| (port, is_answered(&at, port).await))).await;
            let http: BTreeSet<u16> = asked.into_iter().filter(|(_, is_http)| *is_http).map(|(port, _)| port).collect();
            if !http.is_empty() {
                answers.insert(name, http);
            }
        }
        Ok(answers)
    }
}

/// Whether somebody listens at the port, and answers in HTTP.
async fn is_answered(addresses: &[IpAddr], port: u16) -> bool {
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        if let Ok(Ok(mut stream)) = timeout(CONNECTS_WITHIN, connecting).await {
            return speaks_http(&mut stream).await;
        }
    }
    false
}
