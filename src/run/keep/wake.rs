//! `launchway start`: what somebody stopped by hand is started again.

use crate::config::{Environment, Project};
use crate::model::{ComponentName, Quoted, Repair};
use crate::plan::mending::Mending;
use crate::plan::standing::standings;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::place::Place;
use crate::run::ground::refusal::Refusal;
use crate::run::keep::look::Look;
use crate::run::keep::mend::Mended;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A look that is under way ends within this time, or it is putting something right.
const GIVES_WAY_WITHIN: Duration = Duration::from_secs(15);

/// Components that were started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Woken(pub BTreeSet<ComponentName>);

impl Deployer {
    /// Starts all of the live release that does not run, also what somebody stopped.
    pub async fn ask_to_start(
        self: &Arc<Self>,
        project: &Project,
        environment: &Environment,
        by: &str,
    ) -> Result<Woken, Refusal> {
        let place = (project.name.clone(), environment.name.clone());
        let look = self.take_for_start(&place).await?;
        let Some((_, release)) = &look.live else {
            return Err(Refusal::Impossible(format!("nothing is live in {}/{}", place.0, place.1)));
        };
        tracing::info!(project = %place.0, environment = %place.1, by = %Quoted(by), "What was stopped is to be started");
        let observed = self.observe(project, environment).await;
        let observed = observed.map_err(|error| Refusal::Impossible(error.to_string()))?;
        if observed.edge.is_none() && release.stack.has_entries() {
            let why = "the edge does not answer, which leads to what would be started: `launchway up` or `launchway edge` runs it";
            return Err(Refusal::Impossible(why.into()));
        }
        let mut ward = look.take_ward().await?;
        let wanted = look.wanted(release);
        let endings = look.endings(&mut ward, release, &observed).await?;
        let standings = standings(&wanted, &observed, &endings);
        let mending = Mending::new(&standings, &BTreeSet::new(), Repair::Died, true).and_fronts(&observed.fronts);
        let mended = look.mender(release).mend(&wanted, &observed, &mending, &mut ward).await;
        self.keeping.put(&place, ward);
        self.keeping.look_at(&place, Duration::ZERO);
        match mended {
            Mended::Nothing => Ok(Woken(BTreeSet::new())),
            Mended::Done(started) => Ok(Woken(started)),
            Mended::Failed(why) => Err(Refusal::Impossible(why)),
            Mended::GaveWay => Err(Refusal::Impossible("a deployment came first; it starts what is stopped".into())),
            Mended::EngineAway => Err(Refusal::Impossible("the engine went away; try again once it answers".into())),
        }
    }

    async fn take_for_start(self: &Arc<Self>, place: &Place) -> Result<Look, Refusal> {
        let began = Instant::now();
        loop {
            if let Some(look) = Look::begin(self, place).await? {
                return Ok(look);
            }
            let named = format!("{}/{}", place.0, place.1);
            if let Some(pause) = self.store.pause(&place.0, &place.1).await? {
                let why = format!("{named} is paused by {}: `launchway resume {}` first", pause.by, place.1);
                return Err(Refusal::Impossible(why));
            }
            if let Some(running) = self.occupancy.running_in(place) {
                let why = format!("deployment {} runs in {named}; it starts what is stopped", running.id);
                return Err(Refusal::Impossible(why));
            }
            if self.store.live(&place.0, &place.1).await?.is_none() {
                return Err(Refusal::Impossible(format!("nothing is live in {named}")));
            }
            if began.elapsed() > GIVES_WAY_WITHIN {
                let why = format!("{named} is being put right, or a deployment waits there; `launchway status` tells");
                return Err(Refusal::Impossible(why));
            }
            self.occupancy.keep_no_longer(place);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
