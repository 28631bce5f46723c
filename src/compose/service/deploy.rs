//! `deploy`, and the older keys that say the same: `scale`, `cpus`, `mem_limit`, ...

use crate::compose::view::View;
use crate::model::budgets;
use crate::model::{Quoted, Resources, UpdateConfig};

const KEYS: &[&str] = &[
    "mode",
    "endpoint_mode",
    "replicas",
    "labels",
    "rollback_config",
    "update_config",
    "resources",
    "restart_policy",
    "placement",
];

/// How many containers; checks the keys of `deploy` on the way.
pub fn replicas(view: &View<'_>) -> u32 {
    let wanted = "a whole number from 0 on";
    let scale: Option<u32> = view.get("scale").and_then(|v| v.number(wanted));
    if let (Some(count), Some(at)) = (scale, view.get("scale"))
        && let Err(error) = budgets::REPLICAS.check(u64::from(count), format_args!("{count} replicas"))
    {
        at.error(error.to_string());
    }
    let Some(deploy) = view.get("deploy").filter(|deploy| deploy.only(KEYS)) else { return scale.unwrap_or(1) };
    if let Some(mode) = deploy.get("mode") {
        match mode.word(&["replicated", "global", "replicated-job", "global-job"]).as_deref() {
            Some("replicated") | None => {}
            Some(word) => mode.error(format!("`mode: {word}` is understood but not supported; accepted: replicated")),
        }
    }
    for key in ["placement", "endpoint_mode", "labels", "rollback_config"] {
        if let Some(value) = deploy.get(key) {
            value.note(format!("`{key}` counts in a Swarm only and is ignored on one host"));
        }
    }
    let replicas: Option<u32> = deploy.get("replicas").and_then(|v| v.number(wanted));
    if let (Some(scale), Some(replicas)) = (scale, replicas)
        && scale != replicas
    {
        deploy
            .get("replicas")
            .unwrap_or(deploy.clone())
            .error(format!("`replicas: {replicas}` and `scale: {scale}` differ"));
    }
    if let (Some(count), Some(at)) = (replicas, deploy.get("replicas"))
        && let Err(error) = budgets::REPLICAS.check(u64::from(count), format_args!("{count} replicas"))
    {
        at.error(error.to_string());
    }
    scale.or(replicas).unwrap_or(1)
}

pub fn update(view: &View<'_>) -> UpdateConfig {
    let Some(config) = view.get("deploy").and_then(|deploy| deploy.get("update_config")) else {
        return UpdateConfig::default();
    };
    if !config.only(&["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"]) {
        return UpdateConfig::default();
    }
    let word = |key: &str, words: &[&str]| config.get(key).and_then(|v| v.word(words));
    let whole = "a release of which a replica fails is put back, so that the environment is one release again";
    let failure_action = word("failure_action", &["pause", "continue", "rollback"]);
    if let (Some(at), Some(action @ ("pause" | "continue"))) = (config.get("failure_action"), failure_action.as_deref())
    {
        at.warning(format!("`{action}` is not followed: {whole}"));
    }
    let max_failure_ratio = config.get("max_failure_ratio").and_then(|at| Some((at.share()?, at)));
    if let Some((_, at)) = max_failure_ratio.as_ref().filter(|(share, _)| *share > 0.0) {
        at.warning(format!("no failure is tolerated: {whole}"));
    }
    UpdateConfig {
        parallelism: config.get("parallelism").and_then(|v| v.number("a whole number from 0 on")),
        delay: config.get("delay").and_then(|v| v.duration()),
        monitor: config.get("monitor").and_then(|v| v.duration()),
        failure_action,
        max_failure_ratio: max_failure_ratio.map(|(share, _)| share),
        order: word("order", &["start-first", "stop-first"]),
    }
}

pub fn resources(view: &View<'_>) -> Resources {
    let mut resources = Resources {
        cpu_limit_millis: view.get("cpus").and_then(|v| v.cpu_millis()).filter(|millis| *millis > 0),
        memory_limit_bytes: view.get("mem_limit").and_then(|v| v.bytes()).filter(|bytes| *bytes > 0),
        memory_reservation_bytes: view.get("mem_reservation").and_then(|v| v.bytes()).filter(|bytes| *bytes > 0),
        memory_swap_bytes: view.get("memswap_limit").and_then(|v| swap(&v)),
        cpu_shares: view.get("cpu_shares").and_then(|v| v.number("a whole number")),
        pids_limit: view.get("pids_limit").and_then(|v| v.number("a whole number (-1 for unlimited)")),
        ..Resources::default()
    };
    let Some(of_deploy) = view.get("deploy").and_then(|deploy| deploy.get("resources")) else { return resources };
    if !of_deploy.only(&["limits", "reservations"]) {
        return resources;
    }
    if let Some(limits) = of_deploy.get("limits").filter(|limits| limits.only(&["cpus", "memory", "pids"])) {
        let cpus = limits.get("cpus").and_then(|v| v.cpu_millis());
        agree(&limits, "cpus", &mut resources.cpu_limit_millis, cpus, "cpus");
        let memory = limits.get("memory").and_then(|v| size(&v));
        agree(&limits, "memory", &mut resources.memory_limit_bytes, memory, "mem_limit");
        let pids = limits.get("pids").and_then(|v| v.number("a whole number"));
        agree(&limits, "pids", &mut resources.pids_limit, pids, "pids_limit");
    }
    let keys = &["cpus", "memory", "generic_resources", "devices"];
    if let Some(reservations) = of_deploy.get("reservations").filter(|reservations| reservations.only(keys)) {
        for key in ["generic_resources", "devices"] {
            if let Some(value) = reservations.get(key) {
                let way = match key {
                    "devices" => {
                        "name the device under `devices` of the service, a GPU as CDI calls it (nvidia.com/gpu=all), and let `allow.devices` list it"
                    }
                    _ => "Launchway hands out CPU and memory only",
                };
                value.error(format!("`{key}` is understood but not supported: {way}"));
            }
        }
        resources.cpu_reservation_millis = reservations.get("cpus").and_then(|v| v.cpu_millis());
        let memory = reservations.get("memory").and_then(|v| size(&v));
        agree(&reservations, "memory", &mut resources.memory_reservation_bytes, memory, "mem_reservation");
    }
    resources
}

/// A size as `deploy` has it: in quotes, where it is a bare number.
fn size(view: &View<'_>) -> Option<i64> {
    view.text()?;
    view.bytes()
}

/// Cores by number, in the kernel's form.
pub fn cpuset(view: &View<'_>) -> Option<String> {
    let text = view.text()?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_range = |part: &str| match part.split_once('-') {
        Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
        None => number(part).is_some(),
    };
    if !text.split(',').all(is_range) {
        view.error(format!("{text:?} names no cores, such as 0-2 or 0,3", text = Quoted(&text)));
        return None;
    }
    Some(text)
}

/// Two keys that say the same must not say different things. Compose takes a missing one for another value where its
/// neighbours are there.
fn agree<T: PartialEq + Copy + Default>(
    view: &View<'_>,
    key: &str,
    old: &mut Option<T>,
    new: Option<T>,
    old_key: &str,
) {
    match (old.filter(|old| *old != T::default()), new, view.get(key)) {
        (Some(a), Some(b), Some(at)) if a != b => at.error(format!("differs from `{old_key}` of the service")),
        (Some(_), _, None) => view.error(format!(
            "needs `{key}:` too, because the service has `{old_key}`, and Compose refuses one without the other; or write all of \
             it in one of the two ways"
        )),
        _ => *old = new.or(*old),
    }
}

/// Memory and swap together; -1 is unlimited.
fn swap(view: &View<'_>) -> Option<i64> {
    match view.node.scalar().map(|scalar| scalar.text.as_str()) {
        Some("-1") => Some(-1),
        _ => view.bytes().filter(|bytes| *bytes > 0),
    }
}
