//! What the images of a release say of themselves: ports at which they are called, paths at which they keep data. Of an image
//! that is yet to be built, as far as its Dockerfile tells.

use crate::engine::{Engine, EngineError, Image};
use crate::model::{ComponentName, Problem, Release, ReleasePart, Stack};
use crate::plan::fronts::{ImageFacts, give_fronts, undecided};
use crate::run::flow::images::Resolve;
use crate::run::ground::image_files::tcp_port;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What comes of the images' facts.
pub struct Given {
    /// Fronts that cannot be.
    pub problems: Vec<Problem>,
    /// Ports of which nobody knows whether they speak HTTP, where that matters.
    pub undecided: BTreeMap<ComponentName, BTreeSet<u16>>,
}

/// Notes in the stack what its images say, and gives fronts to those that need one.
///
/// An image that is yet to be built says what its Dockerfile says, what its base says where the engine has that, and what the
/// live release's image of the component says.
pub async fn give(
    stack: &mut Stack,
    parts: &BTreeMap<ComponentName, ReleasePart>,
    live: Option<&Release>,
    facts: BTreeMap<ComponentName, ImageFacts>,
    resolve: &Resolve<'_>,
    has_edge: bool,
) -> Result<Given, EngineError> {
    let engine: Option<&Arc<dyn Engine>> = match resolve {
        Resolve::Pull { engine, .. } | Resolve::Look { engine, .. } => Some(*engine),
        Resolve::Name => None,
    };
    let mut facts = facts;
    for (name, component) in &stack.components {
        let Some(engine) = engine else { break };
        let own = facts.entry(name.clone()).or_default();
        if let Some(part) = parts.get(name)
            && let Some(image) = engine.image(part.image.reference()).await?
        {
            (own.ports, own.volumes) = (ports_of(&image), image.volumes);
            own.environment = image.environment.into_values().collect();
            continue;
        }
        if stack.build_of(component).is_none() {
            continue;
        }
        let bases = std::mem::take(&mut own.bases);
        let live = live.and_then(|live| live.parts.get(name)).map(|part| part.image.reference().to_string());
        for reference in bases.into_iter().chain(live) {
            if let Some(image) = engine.image(&reference).await? {
                own.ports.extend(ports_of(&image));
                own.volumes.extend(image.volumes);
                own.environment.extend(image.environment.into_values());
            }
        }
        own.volumes.sort();
        own.volumes.dedup();
    }
    let problems = give_fronts(stack, &facts);
    Ok(Given { problems, undecided: undecided(stack, &facts, has_edge) })
}

fn ports_of(image: &Image) -> BTreeSet<u16> {
    image.exposed.iter().filter_map(|port| tcp_port(port)).collect()
}
