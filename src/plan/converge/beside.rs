//! The methods that start new replicas beside the old ones: rolling, blue-green, canary. Each begins from whatever is
//! there, so that the way on after a crash and the way back are the same code.

use super::serving::Fresh;
use super::{Created, Ends, Goal, OPENED_FROM_NOW_ON, Planner, existing, is_up, subject};
use crate::model::{CanarySettings, Component, Health, Method, ObservedContainer, Problem};
use crate::plan::slots::{Matching, Slot};
use crate::plan::{Action, Hold, Phase, Target};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the steps of one component are planned from.
struct Beside<'p> {
    component: &'p Component,
    /// In the order of replicas; those that serve first.
    fresh: Vec<Fresh>,
    /// Old replicas that serve, in the order in which they are let go.
    old: Vec<&'p ObservedContainer>,
    /// What every step waits for.
    waits: Vec<u32>,
    /// The steps after which a fresh replica is ready, by its place in `fresh`.
    ready: BTreeMap<usize, Vec<u32>>,
}

impl Planner<'_> {
    pub(super) fn deploy_beside(
        &mut self,
        component: &Component,
        matching: &Matching,
        created: &Created,
        method: Method,
    ) {
        let mut waits = self.dependencies_done(component);
        waits.extend(self.commands.before(&component.name));
        let mut fresh = self.fresh(component, matching, created);
        if self.wanted.goal == Goal::PutBack && fresh.iter().all(|fresh| !fresh.must_start && !fresh.must_wait) {
            // All that was good before is there: traffic goes back whatever becomes of the rest.
            waits.clear();
        }
        fresh.sort_by_key(|fresh| (!fresh.serves, fresh.must_wait, fresh.must_start, fresh.replica));
        // What had to make room for another component serves nobody any more.
        let stays = |container: &&ObservedContainer| is_up(container) && !self.stops.contains_key(&container.id);
        let up: Vec<&ObservedContainer> = matching.obsolete().filter(stays).collect();
        let (old, idle): (Vec<_>, Vec<_>) = up.into_iter().partition(|container| self.serves(component, container));
        // What runs and gets nothing (a try of before that never became ready) makes room first. What the engine itself
        // leads to serves until its port is wanted.
        if fresh.iter().any(|fresh| fresh.must_start) {
            let stop_first = component.update.order.as_deref() == Some("stop-first");
            // Where the edge has led to nothing yet, somebody else may lead to what runs.
            let is_try = |container: &ObservedContainer| {
                self.routes(&component.name).is_some()
                    || component.entries.is_empty()
                    || (container.deployment.is_some() && container.deployment == self.wanted.deployment)
            };
            let idle = idle.iter().filter(|container| stop_first || container.published.is_empty());
            let idle: Vec<&&ObservedContainer> = idle.filter(|container| stop_first || is_try(container)).collect();
            for container in idle {
                let cause = format!("nothing leads to it, and release {} replaces it", self.release.id);
                let stop = self.stop(container, &cause, waits.clone());
                waits.push(stop);
            }
        }
        // A port that the engine publishes cannot be opened beside it.
        let takes_over = !component.entries.is_empty() && idle.iter().any(|container| !container.published.is_empty());
        let mut beside = Beside { component, fresh, old, waits, ready: BTreeMap::new() };
        let is_first = beside.old.is_empty() && !beside.fresh.iter().any(|fresh| fresh.serves);
        let end = match method {
            _ if takes_over || is_first => self.switch(&mut beside),
            Method::Rolling => self.roll(&mut beside),
            Method::Canary if self.is_new(matching) => self.try_out(&mut beside),
            _ => self.switch(&mut beside),
        };
        let mut served = beside.waits.clone();
        served.extend(end);
        let so_far = served.clone();
        served.extend(self.stop_owners(component, matching, &so_far));
        served.extend(self.stop_left_front(component, &so_far));
        if component.entries.is_empty() {
            served.extend(self.hold_requests(component, &served.clone()));
        }
        let ends = Ends { started: served.clone(), ready: served.clone() };
        self.ends.insert(component.name.clone(), ends);
        // Names last: nobody is led by them, and what is let go needs none.
        self.hand_names_over(component, matching, created, &served);
    }

    /// Whether the release brings something else than what runs, and not only more or fewer of it.
    fn is_new(&self, matching: &Matching) -> bool {
        matching.kept().all(|(_, container)| container.release == Some(self.release.id))
    }

    /// The replicas of the release in the making.
    pub(super) fn fresh(&self, component: &Component, matching: &Matching, created: &Created) -> Vec<Fresh> {
        let slots = matching.slots().filter_map(|(replica, slot)| {
            Some(match slot {
                Slot::Missing { .. } => {
                    let made = created.get(&(component.name.clone(), replica))?;
                    let target = Target::Created { step: made.step };
                    Fresh { replica, target, address: made.address, must_start: true, must_wait: true, serves: false }
                }
                Slot::Kept(container) => Fresh {
                    replica,
                    target: existing(container),
                    address: container.edge_address,
                    must_start: !is_up(container),
                    must_wait: !is_up(container)
                        || matching.must_wait(container)
                        || !self.is_known_ready(component, container),
                    serves: is_up(container) && self.serves(component, container),
                },
            })
        });
        slots.collect()
    }

    /// Whether a container does the component's work: the edge leads to it, or, where none does, it runs and is well.
    fn serves(&self, component: &Component, container: &ObservedContainer) -> bool {
        match !self.can_lead(component) {
            true => container.is_well(),
            false => self.gets_requests(&component.name, &container.id),
        }
    }

    /// A replica without a health check that runs may have been started just before a crash: what the edge leads to was
    /// ready once.
    pub(super) fn is_known_ready(&self, component: &Component, container: &ObservedContainer) -> bool {
        container.health == Health::Healthy || component.entries.is_empty() || self.serves(component, container)
    }

    /// Starts a replica, where it does not run, and waits until it is ready. Returns the steps to wait for.
    fn bring_up(&mut self, beside: &mut Beside, index: usize, waits: &[u32]) -> Vec<u32> {
        if let Some(steps) = beside.ready.get(&index) {
            return steps.clone();
        }
        let (component, fresh) = (beside.component, &beside.fresh[index]);
        let mut before: Vec<u32> = beside.waits.iter().chain(waits).copied().collect();
        let subject = subject(component, fresh.replica);
        let mut steps = Vec::new();
        if fresh.must_start {
            before.extend(self.stops_in_the_way(component, &before.clone()));
            let cause = match fresh.target {
                Target::Created { .. } => "new container",
                Target::Existing { .. } => "it is not running",
            };
            let action = Action::StartContainer(fresh.target.clone());
            before = vec![self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, before)];
        }
        if fresh.must_wait {
            steps = vec![self.wait_ready(
                component,
                fresh,
                before,
                if fresh.must_start { "" } else { "it runs, but is not ready" },
            )];
            if let Some(time) = component.update.monitor.filter(|time| !time.is_zero() && fresh.must_start) {
                let name = Some(&component.name);
                let cause = "update_config.monitor";
                let pause = self.draft.add(name, &subject, Action::Pause(time), cause, Phase::Deploy, steps);
                steps = vec![self.wait_ready(component, fresh, vec![pause], "it is still well")];
            }
        }
        beside.ready.insert(index, steps.clone());
        steps
    }

    fn wait_ready(&mut self, component: &Component, fresh: &Fresh, waits: Vec<u32>, cause: &str) -> u32 {
        let readiness = self.readiness(component, fresh.address);
        let action = Action::WaitReady { target: fresh.target.clone(), readiness };
        let subject = subject(component, fresh.replica);
        self.draft.add(Some(&component.name), &subject, action, cause, Phase::Deploy, waits)
    }

    /// Everything new is ready, then all at once. The old ones run on until the release counts as good.
    fn switch(&mut self, beside: &mut Beside) -> Vec<u32> {
        let mut ready: Vec<u32> = Vec::new();
        for index in 0..beside.fresh.len() {
            ready.extend(self.bring_up(beside, index, &[]));
        }
        self.lead_all(beside, ready)
    }

    /// All to the new release. What the engine led to until now lets its port go just before.
    fn lead_all(&mut self, beside: &Beside, waits: Vec<u32>) -> Vec<u32> {
        let component = beside.component;
        let mut waits: Vec<u32> = beside.waits.iter().chain(&waits).copied().collect();
        if component.entries.is_empty() {
            // Nobody is led anywhere: what is old goes as soon as the new is ready.
            return self.stop_all(component, &beside.old, waits);
        }
        let is_led = !self.led.contains_key(&component.name) && self.is_served(component, &beside.fresh);
        if is_led || beside.fresh.is_empty() {
            return waits;
        }
        let takes_over: Vec<&ObservedContainer> = self
            .observed
            .containers
            .iter()
            .filter(|container| container.component == component.name && is_up(container))
            .filter(|container| !container.published.is_empty())
            .collect();
        for container in takes_over {
            if !self.stops.contains_key(&container.id) {
                let stop = self.stop(container, OPENED_FROM_NOW_ON, waits.clone());
                waits.push(stop);
            }
        }
        let cause = if beside.old.is_empty() { "its replicas are ready" } else { "all of the new release is ready" };
        let shares = self.shares(&beside.fresh, &[], None);
        self.lead(component, shares, cause, waits.clone()).map_or(waits, |step| vec![step])
    }

    /// A batch after the other.
    fn roll(&mut self, beside: &mut Beside) -> Vec<u32> {
        let component = beside.component;
        let wanted = beside.fresh.len();
        let batch = match component.update.parallelism {
            Some(0) => wanted.max(1),
            Some(parallelism) => parallelism as usize,
            None => 1,
        };
        let stop_first = component.update.order.as_deref() == Some("stop-first");
        let delay = component.update.delay.filter(|delay| !delay.is_zero());
        // What serves already goes on serving while the engine, whose first look at it may be yet to come, calls it
        // starting.
        let mut on = beside.fresh.iter().filter(|fresh| fresh.serves).count();
        let mut last: Vec<u32> = Vec::new();
        for index in 0..on {
            last.extend(self.bring_up(beside, index, &[]));
        }
        let mut is_first = true;
        while on < wanted {
            let starts = beside.fresh[on..].iter().take(batch).any(|fresh| fresh.must_start);
            if let Some(delay) = delay.filter(|_| !is_first && starts) {
                let (name, subject) = (Some(&component.name), component.name.to_string());
                let action = Action::Pause(delay);
                last = vec![self.draft.add(name, &subject, action, "update_config.delay", Phase::Deploy, last)];
            }
            is_first = false;
            let mut size = batch.min(wanted - on);
            let all = on + beside.old.len();
            let needed = if stop_first { wanted.saturating_sub(batch) } else { wanted };
            last = self.let_go(beside, on, all.saturating_sub(needed), last);
            if stop_first {
                size = size.min(wanted.saturating_sub(on + beside.old.len())).max(1);
            }
            let mut ready = last.clone();
            for index in on..on + size {
                ready.extend(self.bring_up(beside, index, &last));
            }
            on += size;
            let spare = match stop_first {
                true => 0,
                false => (on + beside.old.len()).saturating_sub(wanted),
            };
            last = self.take_in(beside, on, spare, needed, ready);
        }
        let rest = beside.old.len();
        last = self.let_go(beside, on, rest, last);
        self.lead_all(beside, last)
    }

    /// The first `on` new replicas serve beside what is left when `gone` old ones are let go. Requests that wait go on
    /// waiting until there are as many as are `needed`.
    fn take_in(&mut self, beside: &mut Beside, on: usize, gone: usize, needed: usize, waits: Vec<u32>) -> Vec<u32> {
        let gone = gone.min(beside.old.len());
        let leaving: Vec<&ObservedContainer> = beside.old.drain(..gone).collect();
        let shares = self.shares(&beside.fresh[..on], &beside.old, None);
        let mut waits: Vec<u32> = beside.waits.iter().copied().chain(waits).collect();
        if beside.old.is_empty() && on == beside.fresh.len() {
            waits = self.lead_all(beside, waits);
        } else if !shares.is_empty() && (on + beside.old.len() >= needed || !self.is_held(&beside.component.name)) {
            let cause = "a batch is ready";
            waits = self.lead(beside.component, shares, cause, waits.clone()).map_or(waits, |step| vec![step]);
        }
        self.stop_all(beside.component, &leaving, waits)
    }

    /// `gone` old replicas get nothing more, finish what they have, and stop.
    fn let_go(&mut self, beside: &mut Beside, on: usize, gone: usize, waits: Vec<u32>) -> Vec<u32> {
        let gone = gone.min(beside.old.len());
        let mut waits: Vec<u32> = beside.waits.iter().copied().chain(waits).collect();
        if gone == 0 {
            return waits;
        }
        let leaving: Vec<&ObservedContainer> = beside.old.drain(..gone).collect();
        let shares = self.shares(&beside.fresh[..on], &beside.old, None);
        let cause = "it makes room for the new release";
        let nobody = shares.is_empty();
        let led = match nobody {
            // For a moment nobody is left: requests wait.
            true if beside.component.entries.is_empty() => None,
            true => self.hold_requests(beside.component, &waits).into_iter().next(),
            false => self.lead(beside.component, shares, cause, waits.clone()),
        };
        if let Some(step) = led {
            waits = vec![step];
        }
        self.stop_all(beside.component, &leaving, waits)
    }

    fn stop_all(&mut self, component: &Component, leaving: &[&ObservedContainer], mut waits: Vec<u32>) -> Vec<u32> {
        if leaving.is_empty() {
            return waits;
        }
        if component.entries.is_empty() {
            // What led to it until now leads nowhere, or to another component, from now on.
            waits.extend(self.hold_requests(component, &waits.clone()));
        }
        let cause = format!("release {} replaces it", self.release.id);
        leaving.iter().map(|container| self.stop(container, &cause, waits.clone())).collect()
    }

    /// A share of the traffic after the other, each held and judged; then all.
    fn try_out(&mut self, beside: &mut Beside) -> Vec<u32> {
        let component = beside.component;
        let settings = component.settings.canary.clone().unwrap_or_default();
        let old_release = beside.old.first().map(|container| self.release_of(container));
        let Some(old_release) = old_release.filter(|old| *old != self.release.id && !beside.fresh.is_empty()) else {
            return self.switch(beside);
        };
        let weights = settings.weights();
        let passed = self.wanted.passed.get(&component.name).copied().unwrap_or(0);
        let mut last: Vec<u32> = Vec::new();
        for (index, weight) in weights.iter().copied().enumerate().filter(|(_, weight)| *weight > passed) {
            // A share of the traffic is no test of capacity.
            let needed = (beside.fresh.len() * usize::from(weight)).div_ceil(100).max(1);
            let mut waits = last.clone();
            for index in 0..needed {
                waits.extend(self.bring_up(beside, index, &last));
            }
            let shares = self.shares(&beside.fresh[..needed], &beside.old, Some(weight));
            if !self.leads_already(component, &beside.fresh[..needed], weight) {
                let cause = format!("step {} of {}", index + 1, weights.len());
                let waits_all: Vec<u32> = beside.waits.iter().copied().chain(waits.clone()).collect();
                if let Some(step) = self.lead(component, shares, &cause, waits_all) {
                    waits = vec![step];
                }
            }
            last = vec![self.hold(beside, &settings, old_release, (weight, index + 1, weights.len()), needed, waits)];
        }
        let mut ready = last.clone();
        for index in 0..beside.fresh.len() {
            ready.extend(self.bring_up(beside, index, &last));
        }
        self.lead_all(beside, ready)
    }

    /// The edge gives exactly these replicas that share.
    fn leads_already(&self, component: &Component, new: &[Fresh], weight: u8) -> bool {
        let Some(routes) = self.routes(&component.name) else { return false };
        let own = routes.releases.iter().find(|release| release.release == self.release.id);
        !routes.held
            && routes.entries == component.entries
            && own.is_some_and(|own| {
                own.weight == weight
                    && own.replicas.len() == new.len()
                    && new.iter().all(|fresh| own.replicas.iter().any(|one| fresh.target.existing() == Some(&one.id)))
            })
    }

    fn hold(
        &mut self,
        beside: &Beside,
        settings: &CanarySettings,
        old: crate::model::ReleaseId,
        (weight, number, of): (u8, usize, usize),
        needed: usize,
        waits: Vec<u32>,
    ) -> u32 {
        let component = beside.component;
        let hold = Hold {
            component: component.name.clone(),
            new: self.release.id,
            old,
            weight,
            number,
            of,
            time: settings.hold_time(),
            gate: settings.gate,
            replicas: beside.fresh[..needed].iter().map(|fresh| fresh.target.clone()).collect(),
            settings: settings.clone(),
            measures: component.settings.prometheus.clone(),
        };
        let cause = match settings.gate {
            true => "then `launchway promote` lets it go on",
            false => "the new release is judged beside the old one",
        };
        let waits: Vec<u32> = beside.waits.iter().copied().chain(waits).collect();
        let (name, action) = (Some(&component.name), Action::Hold(Box::new(hold)));
        self.draft.add(name, component.name.as_str(), action, cause, Phase::Deploy, waits)
    }
}

/// Time that the steps of a plan let pass on purpose, holds apart.
pub fn paused_time(plan: &crate::plan::Plan) -> Duration {
    let times = plan.steps.iter().map(|step| match &step.action {
        Action::Pause(time) => *time,
        _ => Duration::ZERO,
    });
    times.fold(Duration::ZERO, Duration::saturating_add)
}

/// Whether the pauses of a plan, which no limit of time counts, are no longer together than a deployment may take.
///
/// # Errors
/// What they come to.
pub fn pauses_fit(plan: &crate::plan::Plan, longest: Duration) -> Result<(), Problem> {
    let paused = paused_time(plan);
    if paused <= longest {
        return Ok(());
    }
    let message = format!(
        "the pauses between replicas (`update_config.delay` and `monitor`) come to {} s together, which is longer than a deployment may take; the limit `limits.deploy` of launchway.toml is {} s",
        paused.as_secs(),
        longest.as_secs()
    );
    let paused = plan.steps.iter().find(|step| matches!(step.action, Action::Pause(_)));
    let key =
        paused.and_then(|step| step.component.as_ref()).map(|name| format!("services.{name}.deploy.update_config"));
    Err(Problem::error(None, key.unwrap_or_else(|| "services".into()), message))
}

#[cfg(test)]
mod tests;
