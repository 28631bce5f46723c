//! Ports whose Compose file does not say what they speak: before a component that can only be recreated is recreated, the
//! replica that runs is asked. Where it answers in HTTP, its requests can wait from then on.

use crate::config::{Environment, Project};
use crate::edge::{EdgeClient, Heard, ask_at};
use crate::engine::EngineError;
use crate::model::{Component, ComponentName, Release, ReleasePart, Stack};
use crate::plan::fingerprint::same;
use crate::run::ground::deployer::Deployer;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Ports of the container that speak HTTP.
pub type Answers = BTreeMap<ComponentName, BTreeSet<u16>>;

/// Below, a port may be opened by root alone, where the host says nothing else.
const PRIVILEGED: u16 = 1024;

/// What was answered before.
pub fn known(live: Option<&Release>) -> Answers {
    let components = live.into_iter().flat_map(|live| live.stack.components.values());
    let answered = components.filter(|component| !component.answers_http.is_empty());
    answered.map(|component| (component.name.clone(), component.answers_http.clone())).collect()
}

/// What was heard now.
#[derive(Debug, Default)]
pub struct Asked {
    heard: BTreeMap<ComponentName, BTreeMap<u16, Heard>>,
    /// Components that need not be asked: a front owns their name already, and they do not change.
    fronted: Answers,
    /// What is known already, and not said again.
    before: Answers,
}

impl Asked {
    /// With what was known before, which stays where nothing is heard.
    pub fn applied(&self, known: &Answers) -> Answers {
        let mut all = known.clone();
        for (name, ports) in &self.fronted {
            all.entry(name.clone()).or_default().extend(ports);
        }
        for (name, heard) in &self.heard {
            let ports = all.entry(name.clone()).or_default();
            for (port, heard) in heard {
                match heard {
                    Heard::Http => drop(ports.insert(*port)),
                    Heard::Other => drop(ports.remove(port)),
                    Heard::Nothing | Heard::Unreachable => {}
                }
            }
        }
        all.retain(|_, ports| !ports.is_empty());
        all
    }

    /// What is new, for people.
    pub fn lines(&self) -> impl Iterator<Item = (&ComponentName, String)> {
        let all = self.heard.iter().flat_map(|(name, heard)| heard.iter().map(move |one| (name, one)));
        all.filter_map(|(name, (port, heard))| {
            let was = self.before.get(name).is_some_and(|ports| ports.contains(port));
            let text = match heard {
                Heard::Http if !was => format!(
                    "it answers HTTP at its port {port}: from its next replacement on requests wait while it is replaced"
                ),
                Heard::Other if was => {
                    format!("it no longer answers HTTP at its port {port}: nobody waits there while it is replaced")
                }
                Heard::Unreachable if !was => format!(
                    "its port {port} could not be asked whether it speaks HTTP, as it is not reached from here; `app_protocol: http` says so of a port that it publishes, `x-launchway: {{ front: true }}` has its callers wait"
                ),
                _ => return None,
            };
            Some((name, text))
        })
    }
}

impl Deployer {
    /// What the undecided ports speak, of components that are about to change: of all others nothing is to change for the
    /// answer.
    pub async fn ask(
        &self,
        (project, environment): (&Project, &Environment),
        live: Option<&Release>,
        (stack, parts): (&Stack, &BTreeMap<ComponentName, ReleasePart>),
        undecided: Answers,
    ) -> Result<Asked, EngineError> {
        let mut asked = Asked { before: known(live), ..Asked::default() };
        if undecided.is_empty() {
            return Ok(asked);
        }
        let same = live.map(|live| same(live, stack, parts)).unwrap_or_default();
        let observed = self.snapshot(project, environment).await?;
        let config = self.config();
        // Of the two, the edge is the one that reaches every container: it is in the host's network.
        let edge = config.edge.is_some().then(|| EdgeClient::new(&config.data));
        let health = match &edge {
            Some(edge) => edge.health().await.ok(),
            None => None,
        };
        // An edge that does not say it may be one that is not root.
        let lowest = health.and_then(|health| health.lowest_port).unwrap_or(PRIVILEGED);
        for (name, mut ports) in undecided {
            let Some(component) = stack.components.get(&name) else { continue };
            if same.contains(&name) {
                // It has lost its name to a front, in a release that the live one is older than. Without one it would have to
                // be replaced.
                if observed.fronts.iter().any(|front| front.container.component == name) {
                    ports.retain(|port| component.container.ports.iter().all(|own| own.target != *port));
                    asked.fronted.insert(name, ports);
                }
                continue;
            }
            let runs = observed.containers.iter().find(|one| one.component == name && one.is_running());
            let Some(runs) = runs else { continue };
            ports.retain(|port| can_be_opened(component, *port, lowest));
            let at = self.engine.addresses(&runs.id).await?;
            let heard = ports.into_iter().map(async |port| (port, ask_one(edge.as_ref(), &at, port).await));
            asked.heard.insert(name, join_all(heard).await.into_iter().collect());
        }
        Ok(asked)
    }
}

/// Where the edge may not open the port at which the engine publishes this one, it stays the engine's.
fn can_be_opened(component: &Component, port: u16, lowest: u16) -> bool {
    let mut published = component.container.ports.iter().filter(|one| one.target == port);
    published.all(|one| one.published.is_none_or(|published| published >= lowest))
}

async fn ask_one(edge: Option<&EdgeClient>, at: &[IpAddr], port: u16) -> Heard {
    if let Some(edge) = edge
        && let Ok(heard) = edge.ask_at(at, port).await
    {
        return heard;
    }
    ask_at(at, port).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(of: &[(&str, &[u16])]) -> Answers {
        of.iter().map(|(name, ports)| (ComponentName::new(*name).unwrap(), ports.iter().copied().collect())).collect()
    }

    #[test]
    fn what_was_known_stays_where_nothing_is_heard() {
        let known = answers(&[("api", &[80, 81, 82]), ("web", &[80])]);
        let api = [Heard::Other, Heard::Nothing, Heard::Unreachable, Heard::Http, Heard::Nothing, Heard::Unreachable];
        let api = (80..).zip(api).collect();
        let web = BTreeMap::from([(80, Heard::Other)]);
        let names = ["api", "web"].map(|name| ComponentName::new(name).unwrap());
        let heard = names.into_iter().zip([api, web]).collect();
        let asked = Asked { heard, before: known.clone(), fronted: answers(&[("old", &[90])]) };
        assert_eq!(asked.applied(&known), answers(&[("api", &[81, 82, 83]), ("old", &[90])]));
        let lines: Vec<String> = asked.lines().map(|(name, text)| format!("{name} {text}")).collect();
        let begins = [
            "api it no longer answers HTTP at its port 80:",
            "api it answers HTTP at its port 83:",
            "api its port 85 could not be asked whether it speaks HTTP,",
            "web it no longer answers HTTP at its port 80:",
        ];
        assert_eq!(lines.len(), begins.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
        assert_eq!(Asked::default().applied(&known), known);
    }
}
