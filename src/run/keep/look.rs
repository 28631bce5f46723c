//! One look at an environment in which nothing is deployed: what is seen there, what is said of it, and what is done.

use crate::config::{Environment, Project};
use crate::engine::EngineError;
use crate::model::{ContainerState, Degraded, Ending, Observed, Quoted, Release, Repair};
use crate::plan::fingerprint;
use crate::plan::mending::Mending;
use crate::plan::standing::{ComponentStanding, Standing, standings};
use crate::plan::unnamed::Unnamed;
use crate::plan::{Goal, Wanted};
use crate::run::flow::go_back;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::occupancy::Control;
use crate::run::ground::place::Place;
use crate::run::ground::remembered::Remembered;
use crate::run::keep::mend::{Mended, Mender};
use crate::store::{Live, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How soon an engine that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How soon after something was put right it is looked at.
const AFTER_MENDING: Duration = Duration::from_millis(500);
/// Lines kept of what a component said last.
const LAST_LINES: usize = 20;

/// Looks at an environment. Returns how soon to look again, where that is sooner than usual.
pub async fn look(deployer: &Arc<Deployer>, place: &Place) -> Option<Duration> {
    match Look::begin(deployer, place).await {
        Ok(Some(look)) => look.carry_out().await.unwrap_or_else(|error| {
            tracing::error!(project = %place.0, environment = %place.1, error = %error, "An environment cannot be looked after");
            None
        }),
        Ok(None) => None,
        Err(error) => {
            tracing::error!(project = %place.0, environment = %place.1, error = %error, "An environment cannot be looked after");
            None
        }
    }
}

/// An environment that is taken for a look.
pub struct Look {
    pub deployer: Arc<Deployer>,
    pub place: Place,
    pub project: Project,
    pub environment: Environment,
    pub live: Option<(Live, Release)>,
    /// A deployment that failed and was not put back.
    unsettled: Option<crate::store::Deployment>,
    pub control: Control,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.deployer.leave(&self.place);
    }
}

impl Look {
    /// `None` where there is nothing to look after, somebody paused it, or a deployment runs or waits.
    pub async fn begin(deployer: &Arc<Deployer>, place: &Place) -> Result<Option<Self>, StoreError> {
        let config = deployer.config();
        let Some((project, environment)) = config.environment(&place.0, &place.1) else { return Ok(None) };
        let store = &deployer.store;
        let live = store.live(&place.0, &place.1).await?;
        let unsettled = store.unsettled_in(&place.0, &place.1).await?;
        let Some(id) = live.map(|live| live.deployment).or(unsettled.as_ref().map(|d| d.id)) else { return Ok(None) };
        let Some(control) = deployer.occupancy.occupy_to_keep(place.clone(), id) else { return Ok(None) };
        let mut look = Self {
            deployer: deployer.clone(),
            place: place.clone(),
            project: project.clone(),
            environment: environment.clone(),
            live: None,
            unsettled: None,
            control,
        };
        // Only from here on nothing changes under our hands.
        let is_here = |d: &crate::store::Deployment| (&d.project, &d.environment) == (&place.0, &place.1);
        if store.open_deployments().await?.iter().any(is_here) || store.pause(&place.0, &place.1).await?.is_some() {
            return Ok(None);
        }
        look.unsettled = store.unsettled_in(&place.0, &place.1).await?;
        if let Some(live) = store.live(&place.0, &place.1).await?
            && let Some(release) = store.release(live.release).await?
        {
            look.live = Some((live, release));
        }
        Ok(Some(look))
    }

    async fn carry_out(self) -> Result<Option<Duration>, StoreError> {
        let mut ward = self.take_ward().await?;
        let looked = self.looked(&mut ward).await;
        let next = ward.next_look_ms(now_ms()).map(|at| Duration::from_millis((at - now_ms()).max(0) as u64));
        self.deployer.keeping.put(&self.place, ward);
        // A moment later, so that it is surely past.
        let next = next.map(|next| next + Duration::from_millis(20));
        Ok([looked?, next].into_iter().flatten().min())
    }

    /// What is remembered of the environment, from the store where this process knows nothing of it.
    pub async fn take_ward(&self) -> Result<Remembered, StoreError> {
        let live = self.live.as_ref().map(|(live, _)| live.deployment);
        let live = live.or(self.unsettled.as_ref().map(|d| d.id)).unwrap_or(self.control.id);
        Ok(match self.deployer.keeping.take(&self.place) {
            Some(ward) if ward.live == live => ward,
            Some(_) => Remembered::new(live, &[]),
            None => Remembered::new(live, &self.deployer.store.degraded(&self.place.0, &self.place.1).await?),
        })
    }

    async fn looked(&self, ward: &mut Remembered) -> Result<Option<Duration>, StoreError> {
        self.settle(ward).await?;
        if self.control.cancel.is_cancelled() {
            return Ok(None);
        }
        let Some((_, release)) = &self.live else {
            self.note_degraded(ward.degraded(&[], self.place.1.as_str())).await?;
            return Ok(None);
        };
        let observed = match self.deployer.observe(&self.project, &self.environment).await {
            Ok(observed) => observed,
            Err(EngineError::Unavailable { .. }) => return Ok(Some(ASK_AGAIN)),
            Err(error) => {
                tracing::warn!(project = %self.place.0, environment = %self.place.1, error = %error, "What runs cannot be seen");
                return Ok(None);
            }
        };
        let wanted = self.wanted(release);
        let endings = self.endings(ward, release, &observed).await?;
        let standings = standings(&wanted, &observed, &endings);
        self.note_stopped(&standings).await?;
        let noted = ward.note(&standings, now_ms());
        for (component, container) in noted.ended {
            // They go with it when it is removed; then what it said before stays.
            if let Ok(lines) = self.deployer.engine.last_lines(&container, LAST_LINES).await {
                ward.record(&component).last_lines = self.masked(lines);
            }
        }
        self.note_degraded(ward.degraded(&standings, self.place.1.as_str())).await?;
        if observed.edge.is_none() && release.stack.has_entries() {
            // What is made without it would not be where it leads to.
            return Ok(Some(ASK_AGAIN));
        }
        let mending =
            Mending::new(&standings, &noted.not_now, self.repair(release), false).and_fronts(&observed.fronts);
        match self.mender(release).mend(&wanted, &observed, &mending, ward).await {
            Mended::Nothing => Ok(None),
            Mended::GaveWay => Ok(None),
            Mended::EngineAway => Ok(Some(ASK_AGAIN)),
            // What nobody's death has caused is tried again at the next usual look.
            Mended::Failed(_) if mending.components.is_empty() => Ok(None),
            Mended::Done(_) | Mended::Failed(_) => Ok(Some(AFTER_MENDING)),
        }
    }

    /// What should run of the live release.
    pub fn wanted<'a>(&self, release: &'a Release) -> Wanted<'a> {
        Wanted {
            release: Some(release),
            accepted: fingerprint::accepted(Some(release), release),
            deployment: Some(self.control.id),
            goal: Goal::PutBack,
            release_commands: BTreeSet::new(),
            passed: BTreeMap::new(),
            found: Vec::new(),
            unnamed: Unnamed::default(),
        }
    }

    /// What puts right what a look has found.
    pub fn mender<'a>(&'a self, release: &'a Release) -> Mender<'a> {
        Mender { deployer: &self.deployer, project: &self.project, release, control: &self.control }
    }

    fn repair(&self, release: &Release) -> Repair {
        self.environment.repair.or(release.stack.settings.repair).unwrap_or_default()
    }

    /// A deployment that failed and could not be put back: tried again, with growing pauses.
    async fn settle(&self, ward: &mut Remembered) -> Result<(), StoreError> {
        let Some(unsettled) = &self.unsettled else {
            ward.whole = Default::default();
            return Ok(());
        };
        if ward.whole.deaths.next_try_ms() > now_ms() {
            return Ok(());
        }
        match go_back::settle_again(&self.deployer, unsettled.clone(), &self.control).await {
            Ok(()) => ward.whole = Default::default(),
            Err(_) if self.control.cancel.is_cancelled() => {}
            Err(why) => {
                ward.whole.deaths.died(now_ms());
                ward.whole.how = format!("deployment {} could not be put back: {why}", unsettled.id);
            }
        }
        Ok(())
    }

    /// How the live release's containers that have ended came to their end.
    pub async fn endings(
        &self,
        ward: &mut Remembered,
        release: &Release,
        observed: &Observed,
    ) -> Result<BTreeMap<String, Ending>, StoreError> {
        let stopped = self.deployer.store.stopped(&self.place.0, &self.place.1).await?;
        let mut endings = BTreeMap::new();
        let mut sure = BTreeMap::new();
        let ended = observed.containers.iter().filter(|c| {
            matches!(c.state, ContainerState::Exited { .. }) && release.stack.components.contains_key(&c.component)
        });
        for container in ended {
            let id = container.id.clone();
            // What stands still after a deployment that failed, that deployment stopped.
            if self.unsettled.is_some() {
                endings.insert(id, Ending::ByItself);
                continue;
            }
            let known = if stopped.contains(&id) { Some(Ending::Told) } else { ward.ending(&id) };
            let heard = known.or_else(|| self.deployer.keeping.heard_ending(&id));
            // Who stopped it before or after was heard.
            let is_told = heard == Some(Ending::Told);
            if !is_told && self.deployer.keeping.outages.explain_end_of(container) {
                endings.insert(id, Ending::WithEngine);
                continue;
            }
            let ending = match heard {
                Some(known) => known,
                None => self.deployer.engine.ending(&id).await.unwrap_or(Ending::Unknown),
            };
            if known.is_some() || ward.has_settled(&container.component, container.replica, now_ms()) {
                sure.insert(id.clone(), ending);
            }
            endings.insert(id, ending);
        }
        ward.set_endings(sure);
        Ok(endings)
    }

    async fn note_stopped(&self, standings: &[ComponentStanding<'_>]) -> Result<(), StoreError> {
        let by_hand = standings.iter().flat_map(|standing| standing.replicas.values()).filter_map(|one| match one {
            Standing::ByHand(container) if container.state != ContainerState::Paused => Some(container.id.clone()),
            _ => None,
        });
        let by_hand: BTreeSet<String> = by_hand.collect();
        self.deployer.store.set_stopped(&self.place.0, &self.place.1, by_hand, now_ms()).await
    }

    /// Keeps what makes the environment degraded, and tells of what is new or over.
    async fn note_degraded(&self, all: Vec<Degraded>) -> Result<(), StoreError> {
        let (project, environment) = &self.place;
        let before = self.deployer.store.degraded(project, environment).await?;
        let before: Vec<Degraded> = before.into_iter().map(|record| record.degraded).collect();
        if before == all {
            return Ok(());
        }
        let mask = self.deployer.mask_of(project, environment);
        let all: Vec<Degraded> =
            all.into_iter().map(|degraded| Degraded { why: mask.sentence(&degraded.why), ..degraded }).collect();
        let same = |one: &Degraded, other: &Degraded| one.component == other.component && one.trouble == other.trouble;
        for new in all.iter().filter(|new| !before.iter().any(|old| same(old, new))) {
            let last = new.last_lines.iter().rev().find(|line| !line.trim().is_empty());
            let last = last.map(|line| format!("; its last line: {}", Quoted(line.trim()))).unwrap_or_default();
            tracing::warn!(%project, %environment, trouble = new.trouble.word(), "{project}/{environment} is degraded: {}{last}", new.why);
        }
        for over in before.iter().filter(|old| !all.iter().any(|new| same(old, new))) {
            let what = over.component.as_ref().map_or("all of it".to_string(), ToString::to_string);
            let still = if all.is_empty() { "" } else { ", not so the rest" };
            tracing::info!(%project, %environment, "{project}/{environment}: {what} is well again{still}");
        }
        self.deployer.store.set_degraded(project, environment, all, now_ms()).await
    }

    fn masked(&self, lines: Vec<String>) -> Vec<String> {
        let mask = self.deployer.mask_of(&self.place.0, &self.place.1);
        lines.iter().map(|line| mask.apply(line)).collect()
    }
}
