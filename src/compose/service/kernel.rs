//! What a service asks of the host's kernel and of the program that starts its containers: `sysctls`, `ulimits`, `runtime`,
//! `annotations`, and whom the kernel ends first when memory runs out.

use super::component::Context;
use crate::compose::view::View;
use crate::model::{Quoted, Ulimit};
use std::collections::BTreeMap;

/// Settings that each container has for itself, by what they begin with.
const OWN_SYSCTLS: &[&str] = &[
    "fs.mqueue.",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "net.core.somaxconn",
    "net.ipv4.",
    "net.ipv6.",
    "net.unix.max_dgram_qlen",
];
const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// Limits by which a process goes before all others of the host, whatever its share of the processors is.
const BEFORE_OTHERS: &[&str] = &["nice", "rtprio", "rttime"];

pub fn sysctls(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, String> {
    for (key, value) in view.entries() {
        let is_word = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let is_own = OWN_SYSCTLS.iter().any(|own| if own.ends_with('.') { key.starts_with(own) } else { key == *own });
        if !is_word {
            value.error(format!("{key:?} is no setting of the kernel, such as net.core.somaxconn", key = Quoted(&key)));
        } else if !is_own && !lists(&context.request.allowed.sysctls, key) {
            let why = format!("{key} is not known to hold for one container only, so it is refused;");
            value.refuse(&why, format!("sysctls = [{key:?}]"));
        }
    }
    view.text_map()
}

pub fn ulimits(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, Ulimit> {
    for (name, value) in view.entries() {
        if !ULIMITS.contains(&name) {
            value.error(format!(
                "{name:?} is no limit of a process; accepted: {}",
                ULIMITS.join(", "),
                name = Quoted(&name)
            ));
        } else if BEFORE_OTHERS.contains(&name) && !has(context, "SYS_NICE") {
            let why = format!("`{name}` lets its processes go before all others of the host, so it is refused;");
            value.refuse(&why, "capabilities = [\"SYS_NICE\"]");
        }
    }
    super::container::ulimits(view)
}

pub fn runtime(context: &Context<'_>, view: &View<'_>) -> Option<String> {
    let at = view.get("runtime")?;
    let runtime = at.text().filter(|runtime| !runtime.is_empty())?;
    if !lists(&context.request.allowed.runtimes, &runtime) {
        let why = format!(
            "runtime {runtime} is another program of the host than the one that its settings choose, so it is refused;"
        );
        at.refuse(&why, format!("runtimes = [{runtime:?}]"));
    }
    Some(runtime)
}

pub fn annotations(context: &Context<'_>, view: &View<'_>) -> BTreeMap<String, String> {
    for (key, value) in view.entries() {
        if !key.starts_with("org.opencontainers.image.") && !lists(&context.request.allowed.annotations, key) {
            let why = format!("a runtime may take the annotation {key} for an order, so it is refused;");
            value.refuse(&why, format!("annotations = [{key:?}]"));
        }
    }
    view.text_map()
}

/// Below 0, others are ended in its place.
pub fn oom_score_adj(context: &Context<'_>, view: &View<'_>) -> Option<i64> {
    let wanted = "a whole number from -1000 to 1000";
    let at = view.get("oom_score_adj")?;
    let score: i64 = at.number(wanted)?;
    if !(-1000..=1000).contains(&score) {
        at.error(format!("must be {wanted}, not {score}"));
    } else if score < 0 && !has(context, "SYS_RESOURCE") {
        let why = "below 0, the kernel ends others in its place when memory runs out, so it is refused;";
        at.refuse(why, "capabilities = [\"SYS_RESOURCE\"]");
    }
    Some(score)
}

/// With a limit of its own, only its own processes stand still when memory runs out.
pub fn oom_kill_disable(context: &Context<'_>, view: &View<'_>, has_limit: bool) -> Option<bool> {
    let at = view.get("oom_kill_disable")?;
    let disable = at.bool()?;
    if disable && !has_limit && !has(context, "SYS_RESOURCE") {
        let why = "without a limit, the kernel ends others in its place when memory runs out, so it is refused; set `mem_limit`, or";
        at.refuse(why, "capabilities = [\"SYS_RESOURCE\"]");
    }
    Some(disable)
}

fn has(context: &Context<'_>, capability: &str) -> bool {
    super::security::allows_capability(&context.request.allowed, capability)
}

fn lists(allowed: &[String], name: &str) -> bool {
    allowed.iter().any(|one| one == "*" || one == name)
}
