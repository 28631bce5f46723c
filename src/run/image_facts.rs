//! What the images of a release say of themselves: ports at which they are called, paths at which they keep data. Of an image
//! that is yet to be built, as far as its Dockerfile tells.

use super::images::Resolve;
use crate::engine::{Engine, EngineError};
use crate::model::{BuildSpec, ComponentName, Problem, ReleasePart, Stack, Tree};
use crate::plan::fronts::{ImageFacts, give_fronts};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Notes in the stack what its images say, and gives fronts to those that need one. Returns what cannot be.
pub async fn give(
    stack: &mut Stack,
    parts: &BTreeMap<ComponentName, ReleasePart>,
    tree: &dyn Tree,
    resolve: &Resolve<'_>,
) -> Result<Vec<Problem>, EngineError> {
    let engine: Option<&Arc<dyn Engine>> = match resolve {
        Resolve::Pull { engine, .. } | Resolve::Look { engine, .. } => Some(*engine),
        Resolve::Name => None,
    };
    let mut facts = of_dockerfiles(stack, tree);
    for name in stack.components.keys() {
        let there = match (engine, parts.get(name)) {
            (Some(engine), Some(part)) => engine.image(part.image.reference()).await?,
            _ => None,
        };
        if let Some(image) = there {
            let ports = image.exposed.iter().filter_map(|port| tcp_port(port)).collect();
            facts.insert(name.clone(), ImageFacts { ports, volumes: image.volumes });
        }
    }
    Ok(give_fronts(stack, &facts))
}

/// What can be known of images that are built without building them.
pub fn of_dockerfiles(stack: &Stack, tree: &dyn Tree) -> BTreeMap<ComponentName, ImageFacts> {
    let built = stack.components.iter().filter_map(|(name, component)| {
        let build = component.build.as_ref()?;
        let text = dockerfile(tree, build)?;
        Some((name.clone(), read(&text, build.target.as_deref())))
    });
    built.collect()
}

fn dockerfile(tree: &dyn Tree, build: &BuildSpec) -> Option<String> {
    match &build.dockerfile_inline {
        Some(text) => Some(text.clone()),
        // What is wrong with it, the build will say.
        None => String::from_utf8(tree.read(&build.dockerfile).ok()?).ok(),
    }
}

/// `8080`, `8080/tcp`; not `53/udp`, nor `$PORT`.
fn tcp_port(text: &str) -> Option<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    port.parse().ok().filter(|port| protocol == "tcp" && *port != 0)
}

/// `EXPOSE` and `VOLUME` of the stage that is built: the last one, or the one that is named.
fn read(dockerfile: &str, target: Option<&str>) -> ImageFacts {
    let mut facts = ImageFacts::default();
    let mut stage = None;
    for line in dockerfile.replace("\\\n", " ").lines().map(str::trim) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_ascii_uppercase().as_str() {
            "FROM" => {
                if target.is_some() && stage.as_deref() == target {
                    break;
                }
                // A stage begins with what its base says, which only the base knows.
                facts = ImageFacts::default();
                stage = rest.rsplit_once(char::is_whitespace).map(|(_, name)| name.to_string());
            }
            "EXPOSE" => facts.ports.extend(rest.split_whitespace().filter_map(tcp_port)),
            "VOLUME" => facts.volumes.extend(paths(rest)),
            _ => {}
        }
    }
    facts
}

/// `["/a", "/b"]` or `/a /b`.
fn paths(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str, target: Option<&str>) -> String {
        let facts = read(text, target);
        format!("{:?} {:?}", facts.ports, facts.volumes)
    }

    #[test]
    fn a_dockerfile_tells_ports_and_volumes_of_the_stage_that_is_built() {
        let text = "FROM rust AS build\nEXPOSE 1\nVOLUME /cache\nFROM debian AS run\nexpose 8080 \\\n 53/udp $PORT 9090/tcp\nVOLUME [\"/data\", \"/more\"]\n";
        assert_eq!(facts(text, None), r#"{8080, 9090} ["/data", "/more"]"#);
        assert_eq!(facts(text, Some("build")), r#"{1} ["/cache"]"#);
        assert_eq!(facts("FROM scratch\nVOLUME /a /b\n", None), r#"{} ["/a", "/b"]"#);
    }
}
