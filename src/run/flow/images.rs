//! Which image each component of a release has, so that a release that is put back is the same bytes.

use crate::build::ContentKeys;
use crate::engine::{Engine, Image};
use crate::model::{
    Component, ComponentName, ContentKey, DeploymentId, Fingerprint, ImageIdentity, Problem, ProjectName, PullPolicy,
    Quoted, RegistryAccounts, Release, ReleasePart, Stack, Tree, WorkKind, label, lists_image, registry_of,
};
use crate::plan::fingerprint::{carry_over, fingerprint};
use crate::plan::order::levels;
use crate::run::flow::pulling::{PullError, Pulled, Pulling, is_named, name_of, outcome_of};
use crate::run::ground::image_names::{ImageNames, built_for_another};
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::reading::{Build, Reader};
use crate::run::ground::stage_error::{StageError, in_component};
use crate::run::ground::work_record::{Begun, WorkRecord};
use crate::store::Store;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// What settling the images of a stack needs.
pub struct Settling<'a> {
    pub project: &'a ProjectName,
    pub stack: &'a Stack,
    pub tree: &'a Arc<dyn Tree>,
    pub live: Option<&'a Release>,
    /// Such as `linux/amd64`.
    pub platform: &'a str,
    pub content_keys: &'a ContentKeys,
    pub reader: Reader<'a>,
    pub resolve: Resolve<'a>,
    pub anew: Anew<'a>,
    /// Images that were settled a moment ago.
    pub known: Option<&'a BTreeMap<ComponentName, ReleasePart>>,
    /// Names of others' images that the project may use.
    pub allowed_images: &'a [String],
    pub accounts: &'a RegistryAccounts,
}

/// What is built or resolved anew although nothing of it changed.
#[derive(Clone, Copy)]
pub struct Anew<'a> {
    /// Whatever is built.
    pub build: bool,
    /// Whatever is only named, unless its `pull_policy` is `never`.
    pub pull: bool,
    /// The deployment that would do it.
    pub by: DeploymentId,
    /// Where builds of before are noted; without it nothing is known to be old.
    pub store: Option<&'a Store>,
    pub now_ms: i64,
}

/// How far to go for an image that the Compose file only names.
#[derive(Clone, Copy)]
pub enum Resolve<'a> {
    /// As the engine has it; what it does not have is pulled, which is noted in the record of work where there is one.
    Pull {
        engine: &'a Arc<dyn Engine>,
        names: &'a ImageNames,
        works: Option<&'a WorkRecord>,
        log: &'a DeploymentLog,
        cancel: &'a CancellationToken,
    },
    /// As the engine has it; what would be pulled keeps its name, and is noted.
    Look { engine: &'a Arc<dyn Engine>, to_pull: &'a Mutex<BTreeSet<String>> },
    /// No engine is asked: the name counts.
    Name,
}

/// The parts of a release: each component's image (a content key for what is built, a digest for what is pulled) and
/// its fingerprint. Builds nothing, and pulls only as far as [`Resolve`] says.
pub async fn settle(settling: &Settling<'_>) -> Result<BTreeMap<ComponentName, ReleasePart>, StageError> {
    let order = levels(settling.stack).map_err(|cycle| StageError::commit(cycle.to_string()))?;
    let order: Vec<ComponentName> = order.into_iter().flatten().collect();
    let mut read = Read::of(settling).await?;
    let mut paths: BTreeMap<ComponentName, Option<String>> = BTreeMap::new();
    for (name, hash) in std::mem::take(&mut read.paths) {
        let hash = hash.map_err(|why| StageError::commit(format!("{name}: {why}")))?;
        paths.insert(name, hash);
    }
    let paths_of = |name: &ComponentName| paths.get(name).and_then(Option::as_deref);
    let mut images: BTreeMap<ComponentName, ImageIdentity> = BTreeMap::new();
    for name in build_order(settling.stack, order.clone()) {
        let component = &settling.stack.components[&name];
        let known = settling.known.and_then(|known| known.get(&name)).map(|part| part.image.clone());
        let image = match (known, &component.build, &component.builder) {
            (Some(image), _, _) => image,
            (None, Some(_), _) => built(settling, component, paths_of(&name), &images, read.keys.remove(&name)).await?,
            (None, None, Some(builder)) => images.get(builder).cloned().ok_or_else(|| {
                StageError::commit(format!("{name}: its image is the build of {builder}, which is not in the stack"))
            })?,
            (None, None, None) => pulled(settling, component).await?,
        };
        images.insert(name, image);
    }
    // In the order of waiting: who shares another's network has that one's fingerprint in its own.
    let mut parts: BTreeMap<ComponentName, ReleasePart> = BTreeMap::new();
    let mut fingerprints: BTreeMap<ComponentName, Fingerprint> = BTreeMap::new();
    for name in order {
        let (Some(component), Some(image)) = (settling.stack.components.get(&name), images.remove(&name)) else {
            continue;
        };
        let fingerprint = fingerprint(settling.stack, component, &image, paths_of(&name), &fingerprints);
        fingerprints.insert(name.clone(), fingerprint.clone());
        let paths = paths_of(&name).map(str::to_string);
        parts.insert(name, ReleasePart::new(image, fingerprint, paths));
    }
    if let Some(live) = settling.live {
        carry_over(live, settling.stack, &mut parts);
    }
    Ok(parts)
}

/// What of the commit's files all components need, asked for at once.
struct Read {
    paths: BTreeMap<ComponentName, Result<Option<String>, String>>,
    /// Of builds that need no other component's image.
    keys: BTreeMap<ComponentName, Result<ContentKey, String>>,
}

impl Read {
    async fn of(settling: &Settling<'_>) -> Result<Self, StageError> {
        let components = || settling.stack.components.values();
        let lists = components().map(|component| component.settings.paths.clone()).collect();
        let paths = settling.reader.paths(settling.tree, lists).await?;
        let paths = components().map(|component| component.name.clone()).zip(paths).collect();
        let is_known = |component: &Component| settling.known.is_some_and(|known| known.contains_key(&component.name));
        let plain: Vec<(&ComponentName, Build)> = components()
            .filter(|component| !is_known(component) && component.waits_for_builds_of().is_empty())
            .filter_map(|component| Some((&component.name, component.build.clone()?)))
            .map(|(name, spec)| (name, Build { spec, images: BTreeMap::new() }))
            .collect();
        let builds = plain.iter().map(|(_, build)| build.clone()).collect();
        let keys = settling.reader.keys(settling.tree, builds, settling.platform, settling.content_keys).await?;
        let keys = plain.into_iter().map(|(name, _)| name.clone()).zip(keys).collect();
        Ok(Self { paths, keys })
    }
}

/// Components in an order in which each comes after those whose builds it is built from, or uses. There is none in a circle:
/// the reader of the Compose file has refused it.
fn build_order(stack: &Stack, order: Vec<ComponentName>) -> Vec<ComponentName> {
    // Depth first, with a stack of its own: a stranger's chain may be of any length.
    let mut done: BTreeSet<ComponentName> = BTreeSet::new();
    let mut begun: BTreeSet<ComponentName> = BTreeSet::new();
    let mut sorted: Vec<ComponentName> = Vec::new();
    for first in order {
        let mut todo = vec![first];
        while let Some(name) = todo.last().cloned() {
            let is_new = begun.insert(name.clone());
            let bases = stack.components.get(&name).map(Component::waits_for_builds_of).unwrap_or_default();
            let open: Vec<ComponentName> = bases.into_iter().filter(|base| is_new && !begun.contains(base)).collect();
            if open.is_empty() {
                todo.pop();
                if done.insert(name.clone()) && stack.components.contains_key(&name) {
                    sorted.push(name);
                }
            } else {
                todo.extend(open);
            }
        }
    }
    sorted
}

async fn built(
    settling: &Settling<'_>,
    component: &Component,
    paths: Option<&str>,
    images: &BTreeMap<ComponentName, ImageIdentity>,
    key: Option<Result<ContentKey, String>>,
) -> Result<ImageIdentity, StageError> {
    let Some(spec) = &component.build else { return Err(StageError::commit("nothing to build")) };
    let bases: BTreeMap<ComponentName, String> = component
        .waits_for_builds_of()
        .into_iter()
        .filter_map(|name| images.get(&name).map(|image| (name.clone(), image.reference().to_string())))
        .collect();
    let key = match key {
        Some(key) => key,
        None => {
            let builds = vec![Build { spec: spec.clone(), images: bases }];
            let keys = settling.reader.keys(settling.tree, builds, settling.platform, settling.content_keys).await?;
            keys.into_iter().next().unwrap_or_else(|| Err("it has no content key".to_string()))
        }
    };
    let key = key.map_err(|why| in_component(&component.name, why))?;
    let key = with_paths(key, paths)?;
    let before = built_before(settling, component, &key).await?;
    let anew = match &before {
        _ if settling.anew.build => Some(settling.anew.by),
        Some(before) if is_old(settling, component, before).await? => Some(settling.anew.by),
        Some(ImageIdentity::Built { anew, .. }) => *anew,
        _ => None,
    };
    let which = anew.map(|deployment| format!("-r{deployment}")).unwrap_or_default();
    let tag = format!("{}:{}{which}", repository(settling.project, &component.name), &key.as_str()[..24]);
    Ok(ImageIdentity::Built { key, tag, anew })
}

/// The build of this content to go on with: the live one, so that nothing changes by itself; else the newest.
async fn built_before(
    settling: &Settling<'_>,
    component: &Component,
    key: &ContentKey,
) -> Result<Option<ImageIdentity>, StageError> {
    let live = settling.live.and_then(|release| release.parts.get(&component.name)).map(|part| &part.image);
    if let Some(image @ ImageIdentity::Built { key: same, .. }) = live
        && same == key
    {
        return Ok(Some(image.clone()));
    }
    let Some(store) = settling.anew.store else { return Ok(None) };
    let newest = store.newest_build(settling.project, &component.name, key).await?;
    Ok(newest.map(|image| ImageIdentity::Built { key: key.clone(), tag: image.reference, anew: image.anew }))
}

/// Whether it is older than its `rebuild-after` allows.
async fn is_old(settling: &Settling<'_>, component: &Component, image: &ImageIdentity) -> Result<bool, StageError> {
    let (Some(limit), Some(store)) = (component.settings.rebuild_after, settling.anew.store) else { return Ok(false) };
    let Some(noted) = store.noted_image(image.reference()).await? else { return Ok(false) };
    let age_ms = settling.anew.now_ms - noted.made_ms;
    Ok(u128::try_from(age_ms).is_ok_and(|age| age > limit.as_millis()))
}

/// What `x-launchway.paths` names counts like the context.
fn with_paths(key: ContentKey, paths: Option<&str>) -> Result<ContentKey, StageError> {
    let Some(paths) = paths else { return Ok(key) };
    let mut hash = Sha256::new();
    hash.update(key.as_str());
    hash.update(paths);
    ContentKey::new(hex::encode(hash.finalize())).map_err(StageError::host)
}

/// `launchway/shop/api`; what an image's name may not hold becomes `-`, told apart by a short hash.
pub fn repository(project: &ProjectName, component: &ComponentName) -> String {
    let clean = |text: &str| {
        let lower = text.to_lowercase();
        let kept: String =
            lower.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
        let kept = kept.trim_matches('-').to_string();
        let kept = if kept.is_empty() { "x".to_string() } else { kept };
        if kept == text { kept } else { format!("{kept}-{}", &hex::encode(Sha256::digest(text))[..6]) }
    };
    format!("launchway/{}/{}", clean(project.as_str()), clean(component.as_str()))
}

/// The tag is resolved when the release is made, and stays until the reference changes: nothing restarts because
/// somebody else pulled.
async fn pulled(settling: &Settling<'_>, component: &Component) -> Result<ImageIdentity, StageError> {
    let Some(reference) = component.image.clone() else {
        return Err(StageError::commit(format!("{}: neither image nor build", component.name)));
    };
    let before = settling.live.and_then(|release| release.parts.get(&component.name)).map(|part| &part.image);
    let anew = match component.pull {
        PullPolicy::Always => true,
        PullPolicy::Never => false,
        PullPolicy::Missing | PullPolicy::Build => settling.anew.pull,
    };
    if let Some(ImageIdentity::Pulled { reference: old, pinned }) = before
        && *old == reference
        && !anew
    {
        return Ok(ImageIdentity::Pulled { reference, pinned: pinned.clone() });
    }
    let engine = match settling.resolve {
        Resolve::Pull { engine, .. } | Resolve::Look { engine, .. } => engine,
        Resolve::Name => return Ok(ImageIdentity::Pulled { pinned: reference.clone(), reference }),
    };
    let found = engine.image(&reference).await?;
    let other = match (&found, settling.anew.store) {
        (Some(image), Some(store)) if !lists_image(settling.allowed_images, &reference) => {
            built_for_another(store, settling.project, image).await?
        }
        _ => None,
    };
    let others = |why: &str| {
        let other = other.as_ref().map(ToString::to_string).unwrap_or_default();
        let sentence =
            format!("{} is the name of an image here that was built for project {other}{why};", Quoted(&reference));
        let key = format!("services.{}.image", component.name);
        let allow = format!("images = [{reference:?}]");
        StageError::problems(&[Problem::refusal(Some(component.place.clone()), key, &sentence, allow)])
    };
    let known = found.filter(|image| is_named(image, &reference));
    // Whether the project may have it, only the registry knows.
    let came = known.as_ref().is_some_and(|image| !image.repo_digests.is_empty());
    let is_listed = lists_image(settling.allowed_images, &reference);
    let is_private = came && !is_listed && settling.accounts.is_anothers(settling.project, &registry_of(&reference));
    let is_shadowed = other.is_some() || is_private;
    let image = match (component.pull, known) {
        (PullPolicy::Never, Some(_)) if other.is_some() => return Err(others("")),
        (_, Some(image)) if !anew && !is_shadowed => image,
        (PullPolicy::Never, None) => {
            let why =
                format!("{}: the engine has no image {}, and pull_policy is never", component.name, Quoted(reference));
            return Err(StageError::Commit { component: Some(component.name.clone()), why, last_lines: Vec::new() });
        }
        _ => match settling.resolve {
            Resolve::Pull { engine, names, works, log, cancel } => {
                let (by, name) = (settling.anew.by, Some(&component.name));
                let work = works.map(|works| works.begin(by, name, WorkKind::Pull, &reference));
                let (store, project) = (settling.anew.store, settling.project);
                let pulling = Pulling { engine, store, names, project, reference: &reference, is_listed };
                match pull(&pulling, &component.name, (log, cancel), work).await {
                    Err(error @ StageError::Commit { .. }) if other.is_some() => {
                        return Err(others(&format!(", and no registry gives one ({error})")));
                    }
                    Err(error) => return Err(error),
                    Ok(Pulled { by_digest: Some(pinned), .. }) => {
                        return Ok(ImageIdentity::Pulled { reference, pinned });
                    }
                    Ok(Pulled { image, by_digest: None }) => image,
                }
            }
            Resolve::Look { to_pull, .. } => {
                to_pull.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.clone());
                return Ok(ImageIdentity::Pulled { pinned: reference.clone(), reference });
            }
            Resolve::Name => return Ok(ImageIdentity::Pulled { pinned: reference.clone(), reference }),
        },
    };
    let pinned = pin(&reference, &image);
    Ok(ImageIdentity::Pulled { reference, pinned })
}

async fn pull(
    pulling: &Pulling<'_>,
    component: &ComponentName,
    (log, cancel): (&DeploymentLog, &CancellationToken),
    work: Option<Begun>,
) -> Result<Pulled, StageError> {
    log.line(Some(component), &format!("pulling {}", Quoted(pulling.reference)));
    let (log, name) = (log.clone(), component.clone());
    let progress = move |line: &str| log.line(Some(&name), line);
    let pulled = pulling.pull(&progress, cancel).await;
    if let Some(work) = work {
        work.ended(outcome_of(&pulled));
    }
    pulled.map_err(|error| match error {
        // What the registry says is about what the commit names.
        PullError::Engine(error) => match StageError::from(error) {
            StageError::Host { why } => in_component(component, why),
            other => other,
        },
        error @ PullError::Store(_) => error.into(),
    })
}

/// By digest where the registry gave one, so that it can be pulled again; else by the engine's own id.
fn pin(reference: &str, image: &Image) -> String {
    let name = name_of(reference);
    let of_this_name = image.repo_digests.iter().find(|digest| {
        let repository = digest.split('@').next().unwrap_or_default();
        repository == name
            || repository == format!("docker.io/library/{name}")
            || repository == format!("docker.io/{name}")
    });
    of_this_name.cloned().unwrap_or_else(|| image.id.clone())
}

/// Whether an image is what a release wants, by what the image says of itself.
pub fn says_it_is(image: &Image, wanted: &ImageIdentity) -> bool {
    match wanted {
        ImageIdentity::Built { key, anew, .. } => {
            let says = |name: &str| image.labels.get(name).cloned();
            says(label::CONTENT_KEY).as_deref() == Some(key.as_str())
                && says(label::BUILT_ANEW_BY) == anew.map(|deployment| deployment.to_string())
        }
        ImageIdentity::Pulled { pinned, .. } => image.id == *pinned || image.repo_digests.contains(pinned),
    }
}

#[cfg(test)]
mod tests;
