//! Whether a deployment may start what it needs beside what runs, or a build begin: by what the host has, by what runs,
//! and by what was admitted and has not started yet.
//!
//! Hosts commonly promise more than they have by *limits*, so a limit blocks nobody. Two things do: what is *reserved*
//! (`deploy.resources.reservations`), which has to fit beside what others reserved; and what a component is *expected*
//! to take (its reservation, or what it took before), which has to fit into the memory that is really free, less what
//! running containers reserved and have not taken yet. A component that reserves nothing and was never seen is let in.

pub mod disk;
pub mod line;

use super::step::{Action, Plan, Step, Target};
use crate::model::{Component, ComponentName};
use std::collections::{BTreeMap, BTreeSet};

/// What a build needs at least where nobody knows what builds took before.
pub const BUILD_BYTES: i64 = 256 << 20;
/// What the host itself keeps: a twentieth of its memory, at most this.
const MOST_MARGIN_BYTES: i64 = 512 << 20;
/// What `needs` takes a component for of which nothing is known. It blocks nobody.
const MODEST_BYTES: i64 = 64 << 20;

/// What one replica of a component took before, in bytes without page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastUse {
    /// 95 of 100 hours stayed below.
    pub p95_bytes: i64,
    pub most_bytes: i64,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Reserved,
    Limited,
    Used,
    Assumed,
}

/// What one replica of a component needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub memory_bytes: i64,
    pub by: Basis,
    /// What admission counts.
    pub amount: Amount,
}

impl Need {
    /// The figure and where it comes from, as a sentence.
    pub fn why(&self) -> String {
        let size = size(self.memory_bytes);
        match self.by {
            Basis::Reserved => format!("{size}: it reserves that much (deploy.resources.reservations.memory)"),
            Basis::Limited => format!("{size}: its limit, as it reserves nothing (deploy.resources.limits.memory)"),
            Basis::Used => format!("{size}: what it used before, in 95 of 100 hours at most"),
            Basis::Assumed => format!("{size}: assumed, as it neither says what it needs nor was seen before"),
        }
    }
}

/// Memory and disk in bytes, CPU in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    pub reserved_bytes: i64,
    /// What it will really take: the reservation, or more where more was seen.
    pub expected_bytes: i64,
    pub cpu_millis: i64,
    /// What builds will add to the engine's disk.
    pub disk_bytes: i64,
}

impl Amount {
    /// Whether nothing is asked for.
    pub fn is_nothing(&self) -> bool {
        self.reserved_bytes <= 0 && self.expected_bytes <= 0 && self.cpu_millis <= 0 && self.disk_bytes <= 0
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        self.each(other, i64::saturating_add)
    }

    /// What is left of it once `other` has been taken; never below nothing.
    pub fn left_after(self, other: Self) -> Self {
        self.each(other, i64::saturating_sub).most(Self::default())
    }

    /// So many of it.
    pub fn times(self, count: u32) -> Self {
        let count = i64::from(count);
        let by = |value: i64, _| value.saturating_mul(count);
        self.each(self, by)
    }

    fn minus(self, other: Self) -> Self {
        self.each(other, i64::saturating_sub)
    }

    fn most(self, other: Self) -> Self {
        self.each(other, i64::max)
    }

    fn each(self, other: Self, with: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            reserved_bytes: with(self.reserved_bytes, other.reserved_bytes),
            expected_bytes: with(self.expected_bytes, other.expected_bytes),
            cpu_millis: with(self.cpu_millis, other.cpu_millis),
            disk_bytes: with(self.disk_bytes, other.disk_bytes),
        }
    }
}

/// What one replica needs: what it reserves, else its limit, else what it used before, else a modest guess.
pub fn needs(component: &Component, past: Option<PastUse>) -> Need {
    let resources = &component.container.resources;
    let reserved = resources.memory_reservation_bytes.filter(|bytes| *bytes > 0);
    let limit = resources.memory_limit_bytes.filter(|bytes| *bytes > 0);
    let used = past.map(|past| past.p95_bytes).filter(|bytes| *bytes > 0);
    let (memory_bytes, by) = match (reserved, limit, used) {
        (Some(bytes), _, _) => (bytes, Basis::Reserved),
        (None, Some(bytes), _) => (bytes, Basis::Limited),
        (None, None, Some(bytes)) => (bytes, Basis::Used),
        (None, None, None) => (MODEST_BYTES, Basis::Assumed),
    };
    let expected = reserved.unwrap_or(0).max(used.unwrap_or(0));
    let amount = Amount {
        reserved_bytes: reserved.unwrap_or(0),
        expected_bytes: limit.map_or(expected, |limit| expected.min(limit).max(reserved.unwrap_or(0))),
        cpu_millis: resources.cpu_reservation_millis.and_then(|millis| i64::try_from(millis).ok()).unwrap_or(0),
        disk_bytes: 0,
    };
    Need { memory_bytes, by, amount }
}

/// The most that a plan takes at one time beside what runs now. `new` is what a replica of a component needs, `running`
/// what each running container counts for, by id. Components may reach their most at the same time, so theirs add up.
pub fn most_beside(plan: &Plan, new: &BTreeMap<ComponentName, Amount>, running: &BTreeMap<String, Amount>) -> Amount {
    let mut by_component: BTreeMap<Option<&ComponentName>, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        by_component.entry(step.component.as_ref()).or_default().push(step);
    }
    let most = |(component, steps): (Option<&ComponentName>, Vec<&Step>)| {
        let each = component.and_then(|name| new.get(name)).copied().unwrap_or_default();
        let mut started: BTreeSet<u32> = BTreeSet::new();
        let mut stopped: BTreeSet<&str> = BTreeSet::new();
        let (mut now, mut most) = (Amount::default(), Amount::default());
        for step in steps {
            match &step.action {
                Action::StartContainer(Target::Created { step }) if started.insert(*step) => now = now.plus(each),
                Action::StartContainer(Target::Existing { id, .. }) if !running.contains_key(id) => {
                    now = now.plus(each);
                }
                Action::StopContainer { target: Target::Created { step }, .. }
                | Action::RemoveContainer(Target::Created { step })
                    if started.remove(step) =>
                {
                    now = now.minus(each);
                }
                Action::StopContainer { target: Target::Existing { id, .. }, .. } if stopped.insert(id) => {
                    now = now.minus(running.get(id).copied().unwrap_or_default());
                }
                _ => {}
            }
            most = most.most(now);
        }
        most
    };
    by_component.into_iter().map(most).fold(Amount::default(), Amount::plus)
}

/// What a running container counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    pub reserved_bytes: i64,
    /// Without page cache; absent where the engine does not say.
    pub used_bytes: Option<i64>,
    pub cpu_millis: i64,
}

impl Taken {
    /// What it takes.
    pub fn amount(&self) -> Amount {
        let expected_bytes = self.reserved_bytes.max(self.used_bytes.unwrap_or(0));
        Amount { reserved_bytes: self.reserved_bytes, expected_bytes, cpu_millis: self.cpu_millis, disk_bytes: 0 }
    }
}

/// What the host has, and what of it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// 0 where it is not known: then everything is let in.
    pub memory_bytes: i64,
    pub cpu_millis: i64,
    /// What the system could give away now, where the engine runs on this machine.
    pub available_bytes: Option<i64>,
    /// All that run, whoever started them.
    pub running: Vec<Taken>,
    /// Admitted and not started yet.
    pub in_flight: Amount,
}

impl Host {
    fn margin(&self) -> i64 {
        (self.memory_bytes / 20).min(MOST_MARGIN_BYTES)
    }

    fn taken(&self) -> Amount {
        self.running.iter().map(Taken::amount).fold(self.in_flight, Amount::plus)
    }

    /// Memory that nobody has reserved.
    fn unreserved(&self) -> i64 {
        self.memory_bytes - self.margin() - self.taken().reserved_bytes
    }

    /// Memory that is really there for somebody new.
    fn free(&self) -> i64 {
        let by_sum = self.memory_bytes - self.margin() - self.taken().expected_bytes;
        let Some(available) = self.available_bytes else { return by_sum };
        let promised = |taken: &Taken| (taken.reserved_bytes - taken.used_bytes.unwrap_or(0)).max(0);
        let promised: i64 = self.running.iter().map(promised).sum();
        available - promised - self.in_flight.expected_bytes - self.margin()
    }
}

/// What is decided, with the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Start,
    /// `of` is what it waits for: `memory`, `CPU` or `disk`; `why` begins with it.
    Wait {
        of: &'static str,
        why: String,
    },
    /// It can never fit: the sentence says why, and what to change.
    Never {
        why: String,
    },
}

/// Whether a deployment may start `beside` what runs. `own` is what its environment's containers count for now: they
/// cannot go away while it waits.
pub fn admit(beside: Amount, own: Amount, host: &Host) -> Admission {
    if host.memory_bytes <= 0 || beside.is_nothing() {
        return Admission::Start;
    }
    let wants = own.plus(beside);
    let ceiling = host.memory_bytes - host.margin();
    if beside.reserved_bytes > 0 && wants.reserved_bytes > ceiling {
        return Admission::Never {
            why: format!(
                "it needs {} of memory{}, and the host has {} besides the {} that stay free. Lower deploy.resources.reservations.memory, or set x-launchway.method: recreate",
                size(beside.reserved_bytes),
                of_the_old(own.reserved_bytes, size),
                size(ceiling),
                size(host.margin())
            ),
        };
    }
    if beside.cpu_millis > 0 && wants.cpu_millis > host.cpu_millis {
        return Admission::Never {
            why: format!(
                "it needs {} CPUs{}, and the host has {}. Lower deploy.resources.reservations.cpus, or set x-launchway.method: recreate",
                cores(beside.cpu_millis),
                of_the_old(own.cpu_millis, cores),
                cores(host.cpu_millis)
            ),
        };
    }
    let memory = |needed: i64, free: i64| Admission::Wait {
        of: "memory",
        why: format!("memory: needs {} beside what runs, {} are free", size(needed), size(free.max(0))),
    };
    if beside.reserved_bytes > 0 && beside.reserved_bytes > host.unreserved() {
        return memory(beside.reserved_bytes, host.unreserved());
    }
    if beside.expected_bytes > 0 && beside.expected_bytes > host.free() {
        return memory(beside.expected_bytes, host.free());
    }
    let free = host.cpu_millis - host.taken().cpu_millis;
    if beside.cpu_millis > 0 && beside.cpu_millis > free {
        let (needed, free) = (cores(beside.cpu_millis), cores(free.max(0)));
        return Admission::Wait {
            of: "CPU",
            why: format!("CPU: needs {needed} CPUs beside what runs, {free} are free"),
        };
    }
    Admission::Start
}

/// Of several projects, each may reserve so much of the host's memory and CPUs, in percent: whoever wants some after it is not
/// kept out.
const SHARE_PERCENT: u32 = 75;

/// Why a project may not reserve as much as it would with `beside`, where it may not. `reserved` is what all of its containers
/// reserve now; `allowed` is what launchway.toml says, in percent; `others`: whether there are other projects.
pub fn beyond_its_share(
    beside: Amount,
    reserved: Amount,
    host: &Host,
    allowed: Option<u32>,
    others: bool,
) -> Option<Admission> {
    let percent = allowed.or(others.then_some(SHARE_PERCENT))?;
    let memory = (beside.reserved_bytes, reserved.reserved_bytes, host.memory_bytes, "memory");
    let cpus = (beside.cpu_millis, reserved.cpu_millis, host.cpu_millis, "cpus");
    let (wants, all, key) = [memory, cpus].into_iter().find_map(|(beside, reserved, all, key)| {
        let wants = reserved.saturating_add(beside);
        (all > 0 && beside > 0 && wants.saturating_mul(100) > all.saturating_mul(i64::from(percent)))
            .then_some((wants, all, key))
    })?;
    let shown = |amount| match key {
        "memory" => format!("{} of memory", size(amount)),
        _ => format!("{} CPUs", cores(amount)),
    };
    let line = (wants.saturating_mul(100).saturating_add(all - 1) / all).min(100);
    Some(Admission::Never {
        why: format!(
            "with this the project would reserve {} in all of its environments, of the host's {}, and it may reserve {percent} %, so that others find room. Lower deploy.resources.reservations.{key}, or set `allow.reserve-percent = {line}` of the project in launchway.toml",
            shown(wants),
            shown(all)
        ),
    })
}

fn of_the_old(amount: i64, text: fn(i64) -> String) -> String {
    match amount {
        0 => String::new(),
        amount => format!(" beside the {} that its old release reserves", text(amount)),
    }
}

/// Whether a build that takes up to `bytes` may begin. There is always a time at which it fits: what is set for builds
/// is at most what the host has.
pub fn admit_build(bytes: i64, host: &Host) -> Admission {
    // What is promised to others and not taken yet is no reason to keep a build waiting: it gives way to them.
    let free = host.available_bytes.map(|available| available - host.margin() - host.in_flight.expected_bytes);
    let ceiling = (host.memory_bytes - host.margin()) / 2;
    let bytes = bytes.min(ceiling);
    match free {
        Some(free) if host.memory_bytes > 0 && bytes > free => Admission::Wait {
            of: "memory",
            why: format!("memory: a build needs {}, {} are free", size(bytes), size(free.max(0))),
        },
        _ => Admission::Start,
    }
}

/// What can be said without looking at what runs: components, or all of them together, that are larger than the host.
pub fn never_fits<'a>(components: impl Iterator<Item = &'a Component>, host: &Host) -> Option<(ComponentName, String)> {
    if host.memory_bytes <= 0 {
        return None;
    }
    // As much as `admit` ever gives.
    let ceiling = host.memory_bytes - host.margin();
    let has = format!("{} besides the {} that stay free", size(ceiling), size(host.margin()));
    let mut sum = Amount::default();
    let mut last = None;
    for component in components {
        let each = needs(component, None).amount;
        let all = each.times(component.replicas);
        let name = &component.name;
        let of = |what: &str| match component.replicas {
            1 => format!("{name} reserves {what}"),
            count => format!("{count} replicas of {name} reserve {what} each"),
        };
        if all.reserved_bytes > ceiling {
            let what = of(&size(each.reserved_bytes));
            let why = format!("{what} of memory, and the host has {has}. Lower deploy.resources.reservations.memory");
            return Some((name.clone(), why));
        }
        if all.cpu_millis > host.cpu_millis {
            let (has, what) = (cores(host.cpu_millis), of(&cores(each.cpu_millis)));
            let why = format!("{what} CPUs, and the host has {has}. Lower deploy.resources.reservations.cpus");
            return Some((name.clone(), why));
        }
        // The engine refuses to create such a container, only later.
        let limit = component.container.resources.cpu_limit_millis.and_then(|millis| i64::try_from(millis).ok());
        if let Some(limit) = limit.filter(|limit| *limit > host.cpu_millis && component.replicas > 0) {
            let (has, limit) = (cores(host.cpu_millis), cores(limit));
            let why = format!(
                "{name} has a limit of {limit} CPUs, and the host has {has}. Lower deploy.resources.limits.cpus"
            );
            return Some((name.clone(), why));
        }
        sum = sum.plus(all);
        if !all.is_nothing() {
            last = Some(name);
        }
    }
    let what = if sum.reserved_bytes > ceiling {
        format!("{} of memory, and the host has {has}", size(sum.reserved_bytes))
    } else if sum.cpu_millis > host.cpu_millis {
        format!("{} CPUs, and the host has {}", cores(sum.cpu_millis), cores(host.cpu_millis))
    } else {
        return None;
    };
    let why = format!("its components together reserve {what}. Lower deploy.resources.reservations of some");
    last.map(|name| (name.clone(), why))
}

/// `1.2 GB`, `512 MB`: powers of 1,024, as Compose files count.
pub fn size(bytes: i64) -> String {
    let mb = bytes as f64 / f64::from(1 << 20);
    let short = |value: f64| format!("{value:.1}").trim_end_matches(".0").to_string();
    if mb >= 1024.0 { format!("{} GB", short(mb / 1024.0)) } else { format!("{} MB", mb.round()) }
}

fn cores(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests;
