//! Which method fits a component, and why, as a sentence.

use super::fronts;
use super::relations::Relations;
use super::side_by_side::two_are_impossible;
use crate::model::{CanarySettings, Component, ComponentName, Method, Problem, Stack};

/// The method that will be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodChoice {
    pub method: Method,
    /// Continues "recreate: ...": `it writes to volume db, and two writers would corrupt it`.
    pub reason: String,
    /// The method that its settings ask for, where that cannot be.
    pub instead_of: Option<Method>,
}

impl MethodChoice {
    fn new(method: Method, reason: String) -> Self {
        Self { method, reason, instead_of: None }
    }
}

/// Settles the method of a component: what its settings ask for where two of it can run at once, else by its features.
pub fn choose(stack: &Stack, name: &ComponentName) -> MethodChoice {
    match stack.components.get(name) {
        Some(component) => choose_in(&Relations::of(stack), component),
        None => MethodChoice::new(Method::Recreate, "it is not in the Compose file".into()),
    }
}

/// What people asked for and do not get, each with the place of its service.
pub fn unmet(stack: &Stack) -> Vec<Problem> {
    let relations = Relations::of(stack);
    let warning = |component: &Component| {
        let choice = choose_in(&relations, component);
        let asked = choice.instead_of?;
        let key = format!("services.{}.x-launchway.method", component.name);
        let message = format!("{asked} cannot be, so it is {}: {}", choice.method, choice.reason);
        Some(Problem::warning(Some(component.place.clone()), key, message))
    };
    stack.components.values().filter_map(warning).collect()
}

/// As [`choose`], for whoever asks for many components of a stack.
pub(super) fn choose_in(relations: &Relations<'_>, component: &Component) -> MethodChoice {
    let choice = possible(relations, component);
    let asked = match component.settings.method {
        // With an entry, the traffic of late may make it another method, which is no impossibility.
        Method::Auto if component.settings.canary.is_some() && choice.method != Method::BlueGreen => Method::Canary,
        Method::Auto => return choice,
        asked => asked,
    };
    if choice.method == asked {
        return choice;
    }
    let reason = format!("its x-launchway asks for {asked}, but {}", choice.reason);
    MethodChoice { reason, instead_of: Some(asked), ..choice }
}

fn possible(relations: &Relations<'_>, component: &Component) -> MethodChoice {
    let choice = MethodChoice::new;
    let asked = component.settings.method;
    let has_entries = !component.entries.is_empty();
    if let Some(port) = component.container.ports.iter().find_map(|port| port.published)
        && two_are_impossible(relations, component).is_none()
    {
        return choice(Method::Recreate, format!("it publishes port {port}, which only one container can hold"));
    }
    if let Some(reason) = two_are_impossible(relations, component) {
        return choice(Method::Recreate, waiting(has_entries, reason));
    }
    match asked {
        Method::Recreate => choice(asked, waiting(has_entries, "its x-launchway says so".into())),
        Method::Rolling => choice(asked, "its x-launchway says so".into()),
        Method::BlueGreen | Method::Canary if has_entries => choice(asked, "its x-launchway says so".into()),
        Method::BlueGreen | Method::Canary => {
            let reason = "neither the edge nor a front leads to it, so that there is no traffic to move".into();
            choice(if component.replicas > 1 { Method::Rolling } else { Method::Recreate }, reason)
        }
        Method::Auto => by_features(relations, component),
    }
}

fn by_features(relations: &Relations<'_>, component: &Component) -> MethodChoice {
    let choice = MethodChoice::new;
    let has_entries = !component.entries.is_empty();
    if let Some(caller) = relations.caller(component).filter(|_| !component.is_fronted()) {
        let why = match fronts::obstacle(relations, component) {
            Some(obstacle) => format!(" (no front can own its name: {obstacle})"),
            None => String::new(),
        };
        let reason = format!("{caller}, and would reach new and old at random while both run{why}");
        return choice(Method::Recreate, waiting(has_entries, reason));
    }
    let replicas = component.replicas;
    if !has_entries {
        return match replicas {
            1 if !component.settings.concurrent => {
                choice(Method::Recreate, "nothing leads to it, and two of it at once might do its work twice".into())
            }
            1 => choice(
                Method::Rolling,
                format!("its x-launchway says that two of it may run at once{}", unknown_callers(component)),
            ),
            _ => choice(
                Method::Rolling,
                format!(
                    "it has {replicas} replicas, and nothing that two would fight over{}",
                    unknown_callers(component)
                ),
            ),
        };
    }
    if let Some(canary) = &component.settings.canary {
        return match too_few(component, canary) {
            None => choice(Method::Canary, "its x-launchway has a canary's steps".into()),
            Some(few) => choice(
                Method::BlueGreen,
                format!(
                    "at its traffic of late a canary would get {few}, too few to tell anything by; `on-little-traffic` or `method: canary` keeps the canary"
                ),
            ),
        };
    }
    if component.update != Default::default() {
        return choice(Method::Rolling, "its update_config says how".into());
    }
    if replicas > MOST_BESIDE {
        let reason = format!("its {replicas} replicas twice at once would ask much of the host");
        return choice(Method::Rolling, reason);
    }
    let leads = match component.edge_entries().next() {
        Some(_) => "the edge leads to it",
        None => "a front leads its callers to it",
    };
    choice(Method::BlueGreen, format!("{leads}, and nothing forbids two of it at once"))
}

/// Nothing that can be read names the component, which listens all the same: what is said of that.
fn unknown_callers(component: &Component) -> &'static str {
    match component.container.expose.is_empty() && component.container.ports.is_empty() {
        true => "",
        false => {
            "; whether a file inside an image names it cannot be known: `front: true` in its x-launchway leads such callers"
        }
    }
}

/// How many requests the canary of a component would get in all, in words, where that is known to be too few and nothing
/// says what to do then.
fn too_few(component: &Component, canary: &CanarySettings) -> Option<String> {
    let requests = canary_requests(component, canary).filter(|_| canary.on_little_traffic.is_none() && !canary.gate)?;
    (requests < ENOUGH_TO_TELL).then(|| match requests.round() as u64 {
        0 => "next to no request".into(),
        1 => "about one request".into(),
        some => format!("about {some} requests"),
    })
}

/// How many requests the canary of a component would get in all at its traffic of late; `None`: not known.
pub fn canary_requests(component: &Component, canary: &CanarySettings) -> Option<f64> {
    let shares: f64 = canary.weights().iter().map(|weight| f64::from(*weight) / 100.0).sum();
    Some(component.traffic? * shares * canary.hold_time().as_secs_f64())
}

/// With so many answers a release with some points more errors is noticed (docs/BENCHMARKS.md, "Verdict").
pub const ENOUGH_TO_TELL: f64 = 300.0;

/// Replicas beyond which a second full set is too much.
const MOST_BESIDE: u32 = 4;

fn waiting(has_entries: bool, reason: String) -> String {
    match has_entries {
        true => format!("{reason}; requests wait meanwhile"),
        false => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EdgeSettings, EntryProtocol, Listen, RouteEntry};
    use crate::plan::sample::{Sample, component, stack};

    fn reason_in<const N: usize>(name: &str, components: [Sample; N]) -> String {
        let choice = choose(&stack(components), &ComponentName::new(name).unwrap());
        format!("{}: {}", choice.method, choice.reason)
    }

    fn reason(component: Sample) -> String {
        let name = component.name();
        reason_in(name.as_str(), [component])
    }

    fn routed(mut sample: Sample) -> Sample {
        let listen = Listen::Port { host_ip: None, port: 80, protocol: EntryProtocol::Probe };
        sample.0.entries.push(RouteEntry { listen, target: 8080 });
        sample
    }

    #[test]
    fn the_reason_names_what_forbids_two_at_once() {
        assert_eq!(
            reason(component("db").volume("data", "/var/lib/db")),
            "recreate: it writes to volume data, and two writers would corrupt it"
        );
        assert_eq!(
            reason(component("web").publishes(80, 8080)),
            "recreate: it publishes port 80, which only one container can hold"
        );
        let mut asks = routed(component("db").volume("data", "/var/lib/db"));
        asks.0.settings.method = Method::BlueGreen;
        assert_eq!(
            reason(asks),
            "recreate: its x-launchway asks for blue-green, but it writes to volume data, and two writers would corrupt it; requests wait meanwhile"
        );
    }

    #[test]
    fn what_was_asked_for_and_cannot_be_is_a_warning() {
        let mut canary = component("web");
        canary.0.settings.method = Method::Canary;
        let mut steps = component("steps");
        steps.0.settings.canary = Some(Default::default());
        let mut port = component("port").publishes(80, 8080);
        port.0.settings.method = Method::Rolling;
        let mut met = routed(component("met"));
        met.0.settings.method = Method::BlueGreen;
        let all = stack([canary, steps, port, met]);
        let said: Vec<String> =
            unmet(&all).iter().map(|problem| format!("{:?}: {}", problem.key, problem.message)).collect();
        assert_eq!(
            said,
            [
                "Some(\"services.port.x-launchway.method\"): rolling cannot be, so it is recreate: its x-launchway asks for rolling, but it publishes port 80, which only one container can hold",
                "Some(\"services.steps.x-launchway.method\"): canary cannot be, so it is recreate: its x-launchway asks for canary, but nothing leads to it, and two of it at once might do its work twice",
                "Some(\"services.web.x-launchway.method\"): canary cannot be, so it is recreate: its x-launchway asks for canary, but neither the edge nor a front leads to it, so that there is no traffic to move",
            ]
        );
        assert!(unmet(&all).iter().all(|problem| !problem.is_error() && problem.place.is_some()));
    }

    #[test]
    fn the_features_decide_where_nothing_is_asked() {
        assert_eq!(
            reason(component("worker")),
            "recreate: nothing leads to it, and two of it at once might do its work twice"
        );
        assert_eq!(
            reason(component("worker").replicas(3)),
            "rolling: it has 3 replicas, and nothing that two would fight over"
        );
        assert_eq!(
            reason(routed(component("web"))),
            "blue-green: the edge leads to it, and nothing forbids two of it at once"
        );
        assert_eq!(
            reason(routed(component("web")).replicas(9)),
            "rolling: its 9 replicas twice at once would ask much of the host"
        );
        let mut updated = routed(component("web"));
        updated.0.update.parallelism = Some(1);
        assert_eq!(reason(updated), "rolling: its update_config says how");
        let mut canary = routed(component("web"));
        canary.0.settings.canary = Some(Default::default());
        assert_eq!(reason(canary), "canary: its x-launchway has a canary's steps");
    }

    #[test]
    fn a_canary_that_could_not_tell_anything_is_no_canary() {
        let canary = |traffic: f64, settings: CanarySettings| {
            let mut canary = routed(component("web"));
            canary.0.settings.canary = Some(settings);
            canary.0.traffic = Some(traffic);
            reason(canary)
        };
        assert_eq!(canary(4.0, CanarySettings::default()), "canary: its x-launchway has a canary's steps");
        assert_eq!(
            canary(0.5, CanarySettings::default()),
            "blue-green: at its traffic of late a canary would get about 48 requests, too few to tell anything by; `on-little-traffic` or `method: canary` keeps the canary"
        );
        let said =
            CanarySettings { on_little_traffic: Some(crate::model::OnLittleTraffic::Wait), ..Default::default() };
        assert!(canary(0.5, said).starts_with("canary: "));
        let gated = CanarySettings { gate: true, ..CanarySettings::default() };
        assert!(canary(0.0, gated).starts_with("canary: "));
    }

    #[test]
    fn what_others_call_by_name_is_recreated() {
        let api = || routed(component("api"));
        assert_eq!(
            reason_in("api", [api(), component("web").after("api")]),
            "recreate: web depends on it, and would reach new and old at random while both run; requests wait meanwhile"
        );
        let named = |value: &str| reason_in("api", [api(), component("web").env("UPSTREAM", value)]);
        assert!(named("http://api:8080/").starts_with("recreate: web names it"));
        assert!(named("http://rapid-api:8080/").starts_with("blue-green"));
    }

    #[test]
    fn without_traffic_there_is_nothing_to_switch() {
        let mut worker = component("worker");
        worker.0.settings.method = Method::BlueGreen;
        assert_eq!(
            reason(worker),
            "recreate: its x-launchway asks for blue-green, but neither the edge nor a front leads to it, so that there is no traffic to move"
        );
    }

    #[test]
    fn what_the_edge_opens_forbids_nothing() {
        let mut stack = stack([component("web").publishes(80, 8080)]);
        assert_eq!(super::super::routing::give_to_edge(&mut stack, &EdgeSettings::default()), vec![]);
        assert_eq!(choose(&stack, &ComponentName::new("web").unwrap()).method, Method::BlueGreen);
    }
}
