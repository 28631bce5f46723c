//! The verdict on a release that has all of the traffic, while it is watched: beside what the old one did before.

use crate::edge::EdgeError;
use crate::model::{ComponentName, ReleaseId, ReleaseTraffic};
use crate::plan::verdict::{Baseline, Conclusion, Counts, Decision, Interval, Judge, JudgeSettings};
use crate::run::flow::deploy::Convergence;
use crate::run::ground::ids::now_ms;
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::stage_error::StageError;
use crate::run::traffic::leading::EdgeOf;
use crate::run::traffic::measures::{Asked, Measures};
use std::time::Duration;
use tokio::time::Instant;

/// How often what came is judged; in a short bake more often, so that a measure can be over its maximum several times.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is not judged at most: a cold start says nothing.
const WARM_UP: Duration = Duration::from_secs(30);

/// One component that the edge leads to.
pub struct Baking {
    component: ComponentName,
    /// `None`: the edge does not lead to it, and only its further measures are judged.
    edge: Option<EdgeOf>,
    measures: Measures,
    release: ReleaseId,
    judge: Judge,
    look_every: Duration,
    at: Instant,
    before: ReleaseTraffic,
}

impl Baking {
    /// `None` where there is nothing to judge: the edge does not lead to it, and it has no further measures.
    pub async fn begin(
        convergence: &Convergence<'_>,
        component: &ComponentName,
        bake: Duration,
    ) -> Result<Option<Self>, StageError> {
        let Some(release) = convergence.wanted.release else { return Ok(None) };
        let Some(wanted) = release.stack.components.get(component) else { return Ok(None) };
        let deployer = convergence.deployer;
        let edge = deployer.edge_of(&convergence.project.name, &convergence.environment.name);
        let edge = Some(edge).filter(|_| !wanted.entries.is_empty());
        let asked = Asked { release: release.id, commit: release.commit.clone() };
        let allowed = &convergence.project.allow;
        let measures = Measures::new(&wanted.settings.prometheus, allowed, &asked, component, convergence.log);
        if edge.is_none() && measures.is_empty() {
            return Ok(None);
        }
        let past = edge.as_ref().and_then(|edge| deployer.traffic_past.before(&edge.key(component), release.id));
        let (old, counts) = past.map_or((release.id, Vec::new()), |(old, counts)| (old, counts));
        let baseline = if counts.is_empty() { Baseline::Nothing } else { Baseline::Past };
        let canary = wanted.settings.canary.clone().unwrap_or_default();
        let settings = JudgeSettings {
            warm_up: canary.warm_up.unwrap_or(WARM_UP.min(bake / 3)),
            ..JudgeSettings::new(release.id, old, &canary)
        };
        let before = sums(edge.as_ref(), component, release.id).await.unwrap_or_default();
        Ok(Some(Self {
            component: component.clone(),
            edge,
            measures,
            release: release.id,
            judge: Judge::new(settings, baseline, &counts),
            look_every: LOOK_EVERY.min(bake / 8),
            at: Instant::now(),
            before,
        }))
    }

    /// Judges what came since the last look, once enough time has passed.
    pub async fn look(&mut self, convergence: &Convergence<'_>) -> Result<(), StageError> {
        if self.at.elapsed() < self.look_every {
            return Ok(());
        }
        // An edge that is away has nothing to tell; the next look has it all.
        let Ok(now) = sums(self.edge.as_ref(), &self.component, self.release).await else { return Ok(()) };
        if convergence.deployer.keeping.outages.explain(now_ms()) {
            // What the engine's end cut is not the release's fault.
            (self.at, self.before) = (Instant::now(), now);
            return Ok(());
        }
        let interval = Interval {
            seconds: self.at.elapsed().as_secs_f64(),
            new: Counts::between(&self.before, &now),
            external: self.measures.ask().await,
            ..Interval::default()
        };
        (self.at, self.before) = (Instant::now(), now);
        match self.judge.observe(&interval) {
            Decision::Continue => Ok(()),
            Decision::Worse { why } => {
                let why = format!("{}: {why}", self.component);
                convergence.log.line(Some(&self.component), &why);
                Err(StageError::Commit { component: Some(self.component.clone()), why, last_lines: Vec::new() })
            }
        }
    }

    /// The verdict at the end; `None` where there was too little traffic for one, which only the log says.
    pub fn conclude(&self, log: &DeploymentLog) -> Option<String> {
        let conclusion = self.judge.conclude();
        let is_note = self.edge.is_some() && matches!(conclusion, Conclusion::NotEnoughTraffic { .. });
        let verdict = match (&self.edge, conclusion) {
            (None, Conclusion::AsGood { .. } | Conclusion::NotEnoughTraffic { .. }) => "its measures are good".into(),
            (_, conclusion) => conclusion.to_string(),
        };
        log.line(Some(&self.component), &verdict);
        (!is_note).then(|| format!("{}: {verdict}", self.component))
    }
}

async fn sums(
    edge: Option<&EdgeOf>,
    component: &ComponentName,
    release: ReleaseId,
) -> Result<ReleaseTraffic, EdgeError> {
    let Some(edge) = edge else { return Ok(ReleaseTraffic::default()) };
    Ok(edge.traffic_of(component).await?.releases.remove(&release).unwrap_or_default())
}
