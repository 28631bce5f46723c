//! Who occupies each environment: one deployment, or somebody who looks after what is live there.

use crate::model::DeploymentId;
use crate::run::ground::place::Place;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// By which others reach a running deployment.
#[derive(Clone)]
pub struct Control {
    pub id: DeploymentId,
    /// Somebody cancelled it, or the process ends.
    pub cancel: CancellationToken,
    /// A newer push waits: do not watch any longer than needed.
    pub hurry: CancellationToken,
    /// No deployment: what is live is looked after, and gives way at once.
    pub keeping: bool,
}

/// At most one occupant for each environment.
pub struct Occupancy {
    occupants: Mutex<HashMap<Place, Control>>,
    /// Cancels them all.
    stop: CancellationToken,
}

impl Occupancy {
    /// Every environment is free. `stop` cancels whatever is under way.
    pub fn new(stop: CancellationToken) -> Self {
        Self { occupants: Mutex::default(), stop }
    }

    /// Takes the environment for a deployment; `None` while it is occupied.
    pub fn occupy(&self, place: Place, id: DeploymentId) -> Option<Control> {
        self.take(place, id, false)
    }

    /// Takes it to look after what the deployment `id` made live; `None` while it is occupied.
    pub fn occupy_to_keep(&self, place: Place, id: DeploymentId) -> Option<Control> {
        self.take(place, id, true)
    }

    fn take(&self, place: Place, id: DeploymentId, keeping: bool) -> Option<Control> {
        let mut occupants = self.occupants();
        if occupants.contains_key(&place) {
            return None;
        }
        let control = Control { id, cancel: self.stop.child_token(), hurry: CancellationToken::new(), keeping };
        occupants.insert(place, control.clone());
        Some(control)
    }

    /// Who left.
    pub fn leave(&self, place: &Place) -> Option<Control> {
        self.occupants().remove(place)
    }

    /// The deployment that runs in an environment.
    pub fn running_in(&self, place: &Place) -> Option<Control> {
        self.occupants().get(place).filter(|control| !control.keeping).cloned()
    }

    /// The deployment with this number, where it runs.
    pub fn running(&self, id: DeploymentId) -> Option<Control> {
        self.occupants().values().find(|control| control.id == id && !control.keeping).cloned()
    }

    /// Whether any deployment runs.
    pub fn is_deploying(&self) -> bool {
        self.occupants().values().any(|control| !control.keeping)
    }

    /// A deployment wants the environment: looking after it gives way.
    pub fn keep_no_longer(&self, place: &Place) {
        if let Some(control) = self.occupants().get(place).filter(|control| control.keeping) {
            control.cancel.cancel();
        }
    }

    fn occupants(&self) -> MutexGuard<'_, HashMap<Place, Control>> {
        self.occupants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(environment: &str) -> Place {
        ("shop".parse().unwrap(), environment.parse().unwrap())
    }

    #[test]
    fn an_environment_has_one_occupant_at_a_time() {
        let stop = CancellationToken::new();
        let occupancy = Occupancy::new(stop.clone());
        let running = occupancy.occupy(place("production"), DeploymentId(1)).unwrap();
        assert!(occupancy.occupy(place("production"), DeploymentId(2)).is_none());
        assert!(occupancy.occupy_to_keep(place("production"), DeploymentId(1)).is_none());
        assert!(occupancy.occupy(place("staging"), DeploymentId(3)).is_some(), "another environment");
        assert_eq!(occupancy.running(DeploymentId(1)).unwrap().id, DeploymentId(1));
        assert_eq!(occupancy.leave(&place("production")).unwrap().id, DeploymentId(1));
        assert!(occupancy.leave(&place("production")).is_none());
        assert!(occupancy.running_in(&place("production")).is_none());
        stop.cancel();
        assert!(running.cancel.is_cancelled(), "the end of the process cancels all");
    }

    #[test]
    fn whoever_looks_after_an_environment_is_no_deployment_and_gives_way() {
        let occupancy = Occupancy::new(CancellationToken::new());
        let keeper = occupancy.occupy_to_keep(place("production"), DeploymentId(1)).unwrap();
        assert!(occupancy.running_in(&place("production")).is_none());
        assert!(!occupancy.is_deploying());
        occupancy.keep_no_longer(&place("staging"));
        assert!(!keeper.cancel.is_cancelled());
        occupancy.keep_no_longer(&place("production"));
        assert!(keeper.cancel.is_cancelled());
        occupancy.leave(&place("production"));
        let deployment = occupancy.occupy(place("production"), DeploymentId(2)).unwrap();
        occupancy.keep_no_longer(&place("production"));
        assert!(!deployment.cancel.is_cancelled(), "a deployment does not give way");
    }
}
