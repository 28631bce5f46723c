//! The engine's events: what happened to containers, and what it remembers of it.

use super::answer::{Denied, in_path};
use super::connect::DockerEngine;
use crate::engine::{EngineError, Happening};
use crate::model::Ending;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::time::Duration;

/// What makes a look worth while.
const WORTH_A_LOOK: [&str; 9] =
    ["die", "stop", "start", "destroy", "oom", "pause", "unpause", "rename", "health_status"];

/// What it remembers, the engine answers at once.
const REMEMBERS_WITHIN: Duration = Duration::from_secs(3);

impl DockerEngine {
    pub(super) async fn tell_what_happens(&self, heard: &(dyn Fn(Happening) + Send + Sync)) -> EngineError {
        if let Err(error) = self.api().await {
            return error;
        }
        let words = WORTH_A_LOOK.map(str::to_string).to_vec();
        let filters =
            HashMap::from([("type".to_string(), vec!["container".to_string()]), ("event".to_string(), words)]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut events = Box::pin(self.client().events(Some(options)));
        let why = loop {
            match events.try_next().await {
                Ok(Some(event)) => heard(happening(event)),
                Ok(None) => return self.no_more("it ended its stream of events"),
                Err(error) => break error,
            }
        };
        Denied::new(self.endpoint(), "listen to its events", why).into()
    }

    fn no_more(&self, why: &str) -> EngineError {
        EngineError::Unavailable {
            endpoint: self.endpoint().to_string(),
            attempted: "listen to its events".into(),
            why: why.into(),
        }
    }

    /// `docker stop` is an event of its own; a kill or a crash only shows that it died.
    pub(super) async fn how_it_ended(&self, container: &str) -> Result<Ending, EngineError> {
        let words = ["start", "die", "stop"].map(str::to_string).to_vec();
        let id = vec![in_path(container)?.to_string()];
        let filters = HashMap::from([("container".to_string(), id), ("event".to_string(), words)]);
        // Up to now: without an end the engine would go on telling.
        let until = jiff::Timestamp::now().as_second().to_string();
        let options = EventsOptionsBuilder::new().since("1").until(&until).filters(&filters).build();
        let asked = self.client().events(Some(options)).try_collect::<Vec<_>>();
        let mut events = match self.within(REMEMBERS_WITHIN, "ask what happened to a container", asked).await {
            Ok(events) => events,
            // Its clock may be behind ours.
            Err(denied) if self.local => return Err(denied.into()),
            Err(_) => return Ok(Ending::Unknown),
        };
        events.sort_by_key(|event| event.time_nano);
        Ok(events.iter().fold(Ending::Unknown, |ending, event| match event.action.as_deref() {
            Some("start") => Ending::Unknown,
            Some("stop") => Ending::Told,
            // Of a stop both are told, in either order.
            Some("die") if ending != Ending::Told => Ending::ByItself,
            _ => ending,
        }))
    }
}

fn happening(event: EventMessage) -> Happening {
    let actor = event.actor.unwrap_or_default();
    Happening {
        what: event.action.unwrap_or_default(),
        container: actor.id.unwrap_or_default(),
        labels: actor.attributes.unwrap_or_default().into_iter().collect(),
    }
}
