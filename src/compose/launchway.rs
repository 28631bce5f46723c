//! `x-launchway`: of a service, and of the whole file.

use super::suggest;
use super::timing;
use super::view::View;
use crate::model::{
    CanarySettings, Component, ComponentName, ComponentSettings, EnvironmentName, Measure, Method, OnLittleTraffic,
    Permissions, Quoted, Repair, Route, Sticky, StrategySettings,
};
use std::collections::{BTreeMap, BTreeSet};

const KEY: &str = "x-launchway";
const COMPONENT_KEYS: &[&str] = &[
    "method",
    "route",
    "canary",
    "prometheus",
    "paths",
    "release-command",
    "release-command-timeout",
    "concurrent",
    "shared-volumes",
    "edge",
    "front",
    "run",
    "job",
    "rebuild-after",
    "ready-timeout",
    "stay-up",
    "not-listening",
    "drain",
    "environments",
];
const STRATEGY_KEYS: &[&str] = &["windows", "freeze", "approval", "bake", "on-newer", "repair", "environments"];

/// A mapping with what `environments.<name>` puts over it.
struct Layers<'n> {
    own: View<'n>,
    of_environment: Option<View<'n>>,
}

impl<'n> Layers<'n> {
    /// Also checks the keys, of every environment.
    fn new(own: View<'n>, known: &[&str], environment: Option<&EnvironmentName>) -> Self {
        own.only(known);
        let inner: Vec<&str> = known.iter().copied().filter(|key| *key != "environments").collect();
        let mut of_environment = None;
        for (name, view) in own.get("environments").map(|v| v.entries()).unwrap_or_default() {
            if let Err(error) = EnvironmentName::new(name) {
                view.error(error.to_string());
            }
            if !view.node.is_null() && view.only(&inner) && environment.is_some_and(|e| e.as_str() == name) {
                of_environment = Some(view);
            }
        }
        Self { own, of_environment }
    }

    fn get(&self, key: &str) -> Option<View<'n>> {
        self.of_environment.as_ref().and_then(|view| view.get(key)).or_else(|| self.own.get(key))
    }
}

/// Any `x-...` key may stand in a Compose file, so a slip of the pen would go unseen.
pub fn check_spelling(view: &View<'_>) {
    for (key, value) in view.entries() {
        if key != KEY && key.starts_with("x-") && suggest::closest(key, [KEY]).is_some() {
            value.warning(format!("{key:?} is not read; did you mean {KEY:?}?", key = Quoted(&key)));
        }
    }
}

/// `x-launchway` of a service.
pub fn component(
    service: &View<'_>,
    environment: Option<&EnvironmentName>,
    allowed: &Permissions,
) -> ComponentSettings {
    let Some(own) = service.get(KEY) else { return ComponentSettings::default() };
    let layers = Layers::new(own, COMPONENT_KEYS, environment);
    let flag = |key: &str| layers.get(key).and_then(|v| v.bool());
    let settings = ComponentSettings {
        method: layers.get("method").and_then(|v| method(&v)).unwrap_or_default(),
        route: layers.get("route").and_then(|v| route(&v)),
        canary: layers.get("canary").and_then(|v| canary(&v)),
        prometheus: layers.get("prometheus").map(|v| measures(&v, allowed)).unwrap_or_default(),
        paths: layers.get("paths").map(|v| paths(&v)).unwrap_or_default(),
        release_command: layers.get("release-command").and_then(|v| super::service::command(&v)),
        release_command_timeout: layers.get("release-command-timeout").and_then(|v| v.duration()),
        concurrent: flag("concurrent").unwrap_or(false),
        shared_volumes: layers.get("shared-volumes").map(|v| v.texts()).unwrap_or_default(),
        edge: flag("edge"),
        front: flag("front"),
        every_release: layers.get("run").and_then(|v| v.word(&["every-release", "when-changed"]))
            == Some("every-release".into()),
        job: flag("job").unwrap_or(false),
        rebuild_after: layers.get("rebuild-after").and_then(|v| v.any_duration()),
        ready_timeout: layers.get("ready-timeout").and_then(|v| v.duration()),
        stay_up: layers.get("stay-up").and_then(|v| v.duration()),
        not_listening: layers.get("not-listening").map(|v| ports(&v)).unwrap_or_default(),
        drain: layers.get("drain").and_then(|v| v.duration()),
    };
    if settings.release_command.as_ref().is_some_and(Vec::is_empty) {
        layers.own.error("`release-command` is empty");
    } else if let (None, Some(timeout)) = (&settings.release_command, layers.get("release-command-timeout")) {
        timeout.error("there is no `release-command` that could take so long");
    }
    if let Some(view) = layers.get("rebuild-after").filter(|_| service.get("build").is_none()) {
        view.error("is for what is built: `launchway deploy --pull` gets an image that is only named anew");
    }
    settings
}

/// Ports of the container: a list of numbers.
fn ports(view: &View<'_>) -> BTreeSet<u16> {
    let port = |item: View<'_>| {
        let port = item.number::<u16>("a TCP port of the container from 1 to 65535, such as 9229")?;
        if port == 0 {
            item.error("is no port: a TCP port of the container from 1 to 65535, such as 9229");
        }
        Some(port)
    };
    view.items().into_iter().filter_map(port).collect()
}

fn method(view: &View<'_>) -> Option<Method> {
    let word = view.word(&["auto", "recreate", "rolling", "blue-green", "canary"])?;
    word.parse().ok()
}

fn route(view: &View<'_>) -> Option<Route> {
    if !view.only(&["host", "path", "port"]) {
        return None;
    }
    let host = view.get("host").and_then(|v| v.text().map(|text| (text, v)));
    if let Some((host, at)) = &host
        && (host.is_empty() || host.contains(['/', ':', ' ']))
    {
        at.error(format!("{host:?} is not a host name, such as shop.example.com", host = Quoted(&host)));
    }
    let path = view.get("path").and_then(|v| v.text().map(|text| (text, v)));
    if let Some((path, at)) = &path
        && let Some(why) = no_path(path)
    {
        at.error(format!("{path:?} {why}", path = Quoted(&path)));
    }
    if host.is_none() && path.is_none() {
        view.error("needs `host:` or `path:`");
    }
    let port = view.get("port").and_then(|v| v.number::<u16>("a port from 1 to 65535"));
    Some(Route { host: host.map(|(host, _)| host), path: path.map(|(path, _)| path), port })
}

/// Why no request can have a path that begins so.
fn no_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("must begin with a slash");
    }
    if path.contains(['?', '#']) {
        return Some("must be a path alone, without ? and #");
    }
    if path.contains('*') {
        return Some("is no pattern: a route leads all that begins with its path, so leave the * out");
    }
    if path.contains("//") {
        return Some("has two slashes in a row, which a browser or a proxy may make one of; write one");
    }
    if path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return Some(
            "has a character that no request has in its path; write it as it is asked for, such as %20 for a space",
        );
    }
    None
}

fn canary(view: &View<'_>) -> Option<CanarySettings> {
    const KEYS: [&str; 8] =
        ["steps", "hold", "max-error-rate", "max-latency-ratio", "sticky", "gate", "on-little-traffic", "warm-up"];
    if !view.only(&KEYS) {
        return None;
    }
    let mut steps_percent = Vec::new();
    for step in view.get("steps").map(|v| v.items()).unwrap_or_default() {
        let text = step.scalar()?;
        let percent = text.strip_suffix('%').and_then(|text| text.trim().parse::<u8>().ok());
        let Some(percent) = percent.filter(|p| (1..=99).contains(p)) else {
            step.error(format!("{text:?} is not a share of traffic from 1% to 99%", text = Quoted(&text)));
            continue;
        };
        if steps_percent.last().is_some_and(|last| *last >= percent) {
            step.error(format!("{percent}% does not grow: each step must be larger than the one before"));
        }
        steps_percent.push(percent);
    }
    let ratio = view.get("max-latency-ratio").and_then(|v| {
        let ratio = v.number::<f64>("a number from 1 on, such as 1.3")?;
        if !(ratio.is_finite() && ratio >= 1.0) {
            v.error("must be a number from 1 on, such as 1.3");
        }
        Some(ratio)
    });
    Some(CanarySettings {
        steps_percent,
        hold: view.get("hold").and_then(|v| v.hold_duration()),
        max_error_rate: view.get("max-error-rate").and_then(|v| v.share()),
        max_latency_ratio: ratio,
        sticky: view.get("sticky").and_then(|v| sticky(&v)),
        gate: view.get("gate").and_then(|v| v.bool()).unwrap_or(false),
        on_little_traffic: view.get("on-little-traffic").and_then(|v| {
            Some(match v.word(&["wait", "promote", "ask"])?.as_str() {
                "promote" => OnLittleTraffic::Promote,
                "ask" => OnLittleTraffic::Ask,
                _ => OnLittleTraffic::Wait,
            })
        }),
        warm_up: view.get("warm-up").and_then(|v| v.hold_duration()),
    })
}

/// A measure, or a list of them.
fn measures(view: &View<'_>, allowed: &Permissions) -> Vec<Measure> {
    let views = if view.node.entries().is_some() { vec![view.clone()] } else { view.items() };
    let mut measures: Vec<Measure> = Vec::new();
    for view in &views {
        let Some(measure) = measure(view, allowed) else { continue };
        if measures.iter().any(|other| other.name == measure.name) {
            view.error(format!("there is a measure named {:?} already", measure.name));
        }
        measures.push(measure);
    }
    measures
}

fn measure(view: &View<'_>, allowed: &Permissions) -> Option<Measure> {
    if !view.only(&["name", "url", "query", "max"]) {
        return None;
    }
    let url = match (view.get("url"), allowed.prometheus.as_slice()) {
        (Some(at), _) => {
            let url = at.text()?;
            if !allowed.allows_prometheus(&url) {
                let why =
                    format!("{url:?} is asked from the server's own network, so it is refused;", url = Quoted(&url));
                at.refuse(&why, format!("prometheus = [{url:?}]"));
            }
            url
        }
        (None, [only]) => only.clone(),
        (None, _) => {
            view.error("needs `url:`, such as http://prometheus.internal:9090");
            return None;
        }
    };
    let needs = |key: &str, what: &str| {
        let found = view.get(key);
        if found.is_none() {
            view.error(format!("needs `{key}:`, {what}"));
        }
        found
    };
    let query = needs("query", "in PromQL, of which every value counts")?.text()?;
    let max = needs("max", "the highest answer that is still good")?.number::<f64>("a number")?;
    if query.trim().is_empty() || !max.is_finite() {
        view.error("the query is empty, or the maximum is no number");
        return None;
    }
    let name = view.get("name").and_then(|v| v.text()).unwrap_or_else(|| query.clone());
    Some(Measure { name, url: url.trim_end_matches('/').to_string(), query, max })
}

/// `{ cookie: NAME }` or `{ header: NAME }`.
fn sticky(view: &View<'_>) -> Option<Sticky> {
    if !view.only(&["cookie", "header"]) {
        return None;
    }
    let named = |key: &str| view.get(key).and_then(|v| v.text().map(|text| (text, v)));
    let (name, at, sticky): (_, _, fn(String) -> Sticky) = match (named("cookie"), named("header")) {
        (Some((name, at)), None) => (name, at, Sticky::Cookie),
        (None, Some((name, at))) => (name, at, Sticky::Header),
        _ => {
            view.error("needs one of `cookie:` and `header:`");
            return None;
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        at.error(format!("{name:?} cannot be the name of a cookie or header", name = Quoted(&name)));
        return None;
    }
    Some(sticky(name))
}

/// Glob patterns from the repository's root.
fn paths(view: &View<'_>) -> Vec<String> {
    for item in view.items() {
        let Some(text) = item.text() else { continue };
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            item.error(format!(
                "{text:?} must be a pattern from the repository's root, such as \"proto/**\"",
                text = Quoted(&text)
            ));
        } else if let Err(error) = globset::Glob::new(&text) {
            item.error(format!("{text:?} is not a pattern: {}", error.kind(), text = Quoted(&text)));
        }
    }
    view.texts()
}

/// Top-level `x-launchway`.
pub fn strategy(
    file: &View<'_>,
    environment: Option<&EnvironmentName>,
    components: &BTreeMap<ComponentName, Component>,
) -> StrategySettings {
    check_shared_volumes(file, components);
    let Some(own) = file.get(KEY) else { return StrategySettings::default() };
    let layers = Layers::new(own, STRATEGY_KEYS, environment);
    if let Some(on_newer) = layers.get("on-newer")
        && on_newer.word(&["supersede", "wait"]).as_deref() == Some("wait")
    {
        on_newer.warning("`on-newer: wait` is not yet supported: a newer push supersedes");
    }
    StrategySettings {
        bake: layers.get("bake").and_then(|v| v.duration()),
        windows: layers.get("windows").map(|v| timing::windows(&v)).unwrap_or_default(),
        freeze: layers.get("freeze").map(|v| timing::freezes(&v)).unwrap_or_default(),
        approval: layers.get("approval").and_then(|v| v.bool()).unwrap_or(false),
        repair: layers
            .get("repair")
            .and_then(|v| v.word(&["died", "always"]))
            .map(|word| if word == "always" { Repair::Always } else { Repair::Died }),
    }
}

fn check_shared_volumes(file: &View<'_>, components: &BTreeMap<ComponentName, Component>) {
    for component in components.values() {
        for key in &component.settings.shared_volumes {
            let mounts = &component.container.mounts;
            let mounted = mounts.iter().any(|mount| {
                matches!(&mount.source, crate::model::MountSource::Volume { key: mounted, .. } if mounted == key)
            });
            let at = file.get("services").and_then(|s| s.get(component.name.as_str())).and_then(|s| s.get(KEY));
            if let Some(at) = at.and_then(|own| own.get("shared-volumes")).filter(|_| !mounted) {
                at.error(format!("the service mounts no volume {key:?}", key = Quoted(&key)));
            }
        }
    }
}
