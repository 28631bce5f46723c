//! When each environment is looked at while nothing is deployed there, and what is remembered between looks.

use crate::engine::Happening;
use crate::model::Ending;
use crate::run::ground::outages::Outages;
use crate::run::ground::place::Place;
use crate::run::ground::remembered::Remembered;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// When which environment is looked at, and what is remembered between looks.
#[derive(Default)]
pub struct Keeping {
    pub(in crate::run) due: Mutex<HashMap<Place, Instant>>,
    pub(in crate::run) woken: Notify,
    pub(in crate::run) begun: CancellationToken,
    wards: Mutex<HashMap<Place, Remembered>>,
    /// How containers came to their end, by id, as it was heard: the engine itself remembers only its last 256 events,
    /// and every try of every health check is two of them.
    heard: Mutex<HashMap<String, Ending>>,
    pub outages: Outages,
}

impl Keeping {
    /// What earlier processes left in the middle is taken up: the rest may be looked after.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Looks at the environment after this time at the latest.
    pub fn look_at(&self, place: &Place, within: Duration) {
        let at = Instant::now() + within;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = due.entry(place.clone()).or_insert(at);
        *next = (*next).min(at);
        self.woken.notify_one();
    }

    pub(in crate::run) fn look_everywhere(&self) {
        let now = Instant::now();
        self.due.lock().unwrap_or_else(PoisonError::into_inner).values_mut().for_each(|at| *at = (*at).min(now));
        self.woken.notify_one();
    }

    /// What is remembered of the environment; whoever takes it puts it back.
    pub fn take(&self, place: &Place) -> Option<Remembered> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner).remove(place)
    }

    /// Puts back what is remembered of an environment.
    pub fn put(&self, place: &Place, ward: Remembered) {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), ward);
    }

    /// How a container came to its end, where that was heard.
    pub fn heard_ending(&self, container: &str) -> Option<Ending> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(container).copied()
    }

    pub(in crate::run) fn hear(&self, happening: &Happening) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a stop both are told, in either order.
        match happening.what.as_str() {
            "die" => _ = heard.entry(happening.container.clone()).or_insert(Ending::ByItself),
            "stop" => _ = heard.insert(happening.container.clone(), Ending::Told),
            "start" | "destroy" => _ = heard.remove(&happening.container),
            _ => {}
        }
    }

    pub(in crate::run) fn forget_endings(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.wards.lock().unwrap_or_else(PoisonError::into_inner).values_mut().for_each(Remembered::forget_endings);
    }
}
