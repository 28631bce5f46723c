//! Ports whose Compose file does not say what they speak: before a component that can only be recreated is recreated, the
//! replica that runs is asked. Where it answers in HTTP, its requests can wait from then on.

use super::deployer::{Deployer, scope};
use crate::config::{Environment, Project};
use crate::edge::{EdgeClient, ask_at};
use crate::engine::EngineError;
use crate::model::{Component, ComponentName, Release, ReleasePart, Stack};
use crate::plan::fingerprint::same;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Ports of the container that speak HTTP.
pub type Answers = BTreeMap<ComponentName, BTreeSet<u16>>;

/// What was answered before.
pub fn known(live: Option<&Release>) -> Answers {
    let components = live.into_iter().flat_map(|live| live.stack.components.values());
    let answered = components.filter(|component| !component.answers_http.is_empty());
    answered.map(|component| (component.name.clone(), component.answers_http.clone())).collect()
}

/// What was answered now: whether each port speaks HTTP; `None`: nobody could be asked.
#[derive(Debug, Default)]
pub struct Asked {
    answers: BTreeMap<ComponentName, BTreeMap<u16, Option<bool>>>,
    /// What is known already, and not said again.
    before: Answers,
}

impl Asked {
    /// With what was known before. Where nobody could be asked, that stays.
    pub fn applied(&self, known: &Answers) -> Answers {
        let mut all = known.clone();
        for (name, answers) in &self.answers {
            let ports = all.entry(name.clone()).or_default();
            for (port, answer) in answers {
                match answer {
                    Some(true) => drop(ports.insert(*port)),
                    Some(false) => drop(ports.remove(port)),
                    None => {}
                }
            }
        }
        all.retain(|_, ports| !ports.is_empty());
        all
    }

    /// What is new, for people.
    pub fn lines(&self) -> impl Iterator<Item = (&ComponentName, String)> {
        let all = self.answers.iter().flat_map(|(name, answers)| answers.iter().map(move |one| (name, one)));
        all.filter_map(|(name, (port, answer))| {
            let was = self.before.get(name).is_some_and(|ports| ports.contains(port));
            let text = match answer {
                Some(true) if !was => format!(
                    "it answers HTTP at its port {port}: from its next replacement on requests wait while it is replaced"
                ),
                Some(false) if was => {
                    format!("it no longer answers HTTP at its port {port}: nobody waits there while it is replaced")
                }
                None if !was => format!(
                    "whether its port {port} speaks HTTP could not be asked; `app_protocol: http` says it, and requests then wait while it is replaced"
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
        mut undecided: Answers,
    ) -> Result<Asked, EngineError> {
        let same = live.map(|live| same(live, stack, parts)).unwrap_or_default();
        undecided.retain(|name, _| !same.contains(name));
        if undecided.is_empty() {
            return Ok(Asked::default());
        }
        let config = self.config();
        // Of the two, the edge is the one that reaches every container: it is in the host's network.
        let edge = config.edge.is_some().then(|| EdgeClient::new(&config.data));
        let health = match &edge {
            Some(edge) => edge.health().await.ok(),
            None => None,
        };
        let lowest = health.and_then(|health| health.lowest_port).unwrap_or_default();
        let observed = self.engine.observe(&scope(project, environment)).await?;
        let mut asked = Asked { before: known(live), ..Asked::default() };
        for (name, mut ports) in undecided {
            let runs = observed.containers.iter().find(|one| one.component == name && one.is_running());
            let (Some(runs), Some(component)) = (runs, stack.components.get(&name)) else { continue };
            ports.retain(|port| can_be_opened(component, *port, lowest));
            let at = self.engine.addresses(&runs.id).await?;
            let answers = ports.into_iter().map(async |port| (port, ask_one(edge.as_ref(), &at, port).await));
            asked.answers.insert(name, join_all(answers).await.into_iter().collect());
        }
        Ok(asked)
    }
}

/// Where the edge may not open the port at which the engine publishes this one, it stays the engine's.
fn can_be_opened(component: &Component, port: u16, lowest: u16) -> bool {
    let mut published = component.container.ports.iter().filter(|one| one.target == port);
    published.all(|one| one.published.is_none_or(|published| published >= lowest))
}

async fn ask_one(edge: Option<&EdgeClient>, at: &[IpAddr], port: u16) -> Option<bool> {
    if let Some(edge) = edge
        && let Ok(answer) = edge.ask_at(at, port).await
    {
        return answer;
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
    fn what_was_known_stays_where_nobody_could_be_asked() {
        let known = answers(&[("api", &[80, 81, 82]), ("web", &[80])]);
        let api = BTreeMap::from([(80, Some(false)), (81, None), (83, Some(true)), (84, None)]);
        let web = BTreeMap::from([(80, Some(false))]);
        let names = ["api", "web"].map(|name| ComponentName::new(name).unwrap());
        let asked = Asked { answers: names.into_iter().zip([api, web]).collect(), before: known.clone() };
        assert_eq!(asked.applied(&known), answers(&[("api", &[81, 82, 83])]));
        let lines: Vec<String> = asked.lines().map(|(name, text)| format!("{name} {text}")).collect();
        let begins = [
            "api it no longer answers HTTP at its port 80:",
            "api it answers HTTP at its port 83:",
            "api whether its port 84 speaks HTTP could not be asked;",
            "web it no longer answers HTTP at its port 80:",
        ];
        assert_eq!(lines.len(), begins.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
        assert_eq!(Asked::default().applied(&known), known);
    }
}
