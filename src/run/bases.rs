//! What a build begins from, looked at before it begins: nobody else's image stands under a name that it means to pull, and
//! no base image brings along instructions that would fetch what the Dockerfile may not.

use super::build::in_component;
use super::deployer::Deployer;
use super::image_names::{BegunFrom, built_for_another};
use super::images::registry_of;
use super::log::DeploymentLog;
use super::setback::Setback;
use crate::build::{BuildRequest, dockerfile_text};
use crate::compose::dockerfile::{Base, Fetched, Image as Named, Settings, fetched};
use crate::compose::{has_own_frontend, refused_remote};
use crate::engine::{EngineError, EngineInfo, Image};
use crate::model::{ComponentName, Permissions, Place, Problem, ProjectName, Quoted, is_launchways_own, lists_image};
use std::collections::{BTreeMap, BTreeSet};
use tokio_util::sync::CancellationToken;

/// The first API of an engine whose BuildKit asks the source policy (Docker 24).
const ASKS_THE_POLICY: (u32, u32) = (1, 43);

/// What was found.
pub struct Bases {
    /// Others' builds are not given these names meanwhile.
    pub begun_from: Vec<BegunFrom>,
    /// All of them were pulled, and looked at as they are here.
    pub pulled: bool,
}

/// A build whose bases are looked at.
pub struct Looking<'a> {
    pub deployer: &'a Deployer,
    pub project: &'a ProjectName,
    pub component: &'a ComponentName,
    pub request: &'a BuildRequest,
    pub log: &'a DeploymentLog,
    pub cancel: &'a CancellationToken,
}

impl Looking<'_> {
    pub async fn look(&self) -> Result<Bases, Setback> {
        let BuildRequest { tree, spec, pull, .. } = self.request;
        let pulls = spec.pull || *pull;
        let mut found = Bases { begun_from: Vec::new(), pulled: false };
        let (read, of) = (tree.clone(), spec.clone());
        let text = tokio::task::spawn_blocking(move || dockerfile_text(&*read, &of)).await.map_err(Setback::host)?;
        let text = text.map_err(|error| in_component(self.component, error))?;
        if has_own_frontend(spec, &text) {
            return Ok(found);
        }
        let engine = self.deployer.engine.info().await?;
        let asks_the_policy = api_of(&engine).is_some_and(|api| api >= ASKS_THE_POLICY);
        let allowed = self.deployer.allowed(self.project);
        let target = spec.platform.clone().unwrap_or_else(|| engine.platform.clone());
        let mut bases: BTreeMap<String, Base> = BTreeMap::new();
        let mut looked_at: BTreeSet<(String, bool)> = BTreeSet::new();
        let last = loop {
            let settings =
                Settings { platforms: Some((&engine.platform, &target)), bases: bases.clone(), ..Settings::of(spec) };
            let now = fetched(&text, &settings).map_err(|(line, why)| self.wrong(line, &why))?;
            let is_new = |named: &&Named| match &named.reference {
                Some(reference) => !looked_at.contains(&(reference.clone(), named.is_base)),
                None => true,
            };
            let Some(named) = now.images.iter().find(is_new) else { break now };
            let Some(reference) = &named.reference else {
                let why = "which image this names cannot be told before it is built; write it out, or give its variables \
                           values by ARG before the first FROM";
                return Err(self.wrong(named.line, why));
            };
            let look = !asks_the_policy && named.is_base;
            let of_engine = match &named.platform {
                Some(platform) => platform.as_deref() == Some(&engine.platform),
                None => target == engine.platform,
            };
            if look && !of_engine {
                let why = format!(
                    "{reference} for another platform cannot be looked at on this engine before it is used; Docker Engine \
                     24 or newer is needed"
                );
                return Err(self.wrong(named.line, &why));
            }
            found.begun_from.push(self.deployer.image_names.begin_from(self.project, reference));
            let image = self.image(named.line, reference, (look, look && pulls), &allowed, &engine.platform).await?;
            if let Some(Image { environment, triggers, .. }) = image.filter(|_| named.is_base) {
                bases.insert(reference.clone(), Base { environment, triggers });
            }
            looked_at.insert((reference.clone(), named.is_base));
        };
        found.pulled = pulls && !asks_the_policy;
        self.refuse_remotes(&allowed, last)?;
        Ok(found)
    }

    /// The image as the engine has it, if it has it. `look`: it is pulled where it is not there; `anew`: in any case.
    async fn image(
        &self,
        line: u32,
        reference: &str,
        (look, anew): (bool, bool),
        allowed: &Permissions,
        platform: &str,
    ) -> Result<Option<Image>, Setback> {
        let Deployer { engine, store, image_names, .. } = self.deployer;
        let is_listed = lists_image(&allowed.images, reference);
        if is_launchways_own(reference) && !is_listed {
            return Err(self.anothers(line, reference, "is an image that Launchway built"));
        }
        let (there, other) = {
            // A name that is being given is given by then.
            let _giving = image_names.giving.lock().await;
            let there = match engine.image(reference).await {
                Err(error @ EngineError::Refused { .. }) => return Err(self.wrong(line, &error.to_string())),
                there => there?,
            };
            let other = match &there {
                Some(image) if !is_listed => built_for_another(store, self.project, image).await?,
                _ => None,
            };
            (there, other)
        };
        let accounts = &self.deployer.config().registries;
        // An image for another platform is not the one that the build would begin from.
        let fits = |image: &Image| !look || is_for(&image.platform, platform);
        let there = there.filter(fits);
        let came = there.as_ref().is_some_and(|image| !image.repo_digests.is_empty());
        let is_private = came && !is_listed && accounts.is_anothers(self.project, &registry_of(reference));
        let asks = other.is_some() || is_private;
        if !asks && !anew && (there.is_some() || !look) {
            return Ok(there);
        }
        if !asks && is_listed && there.is_some() {
            return Ok(there);
        }
        self.log.line(Some(self.component), &format!("pulling {}, which the build begins from", Quoted(reference)));
        let progress = |text: &str| self.log.line(Some(self.component), text);
        match engine.pull(reference, self.project, &progress, self.cancel).await {
            Ok(image) if !fits(&image) => {
                let why = format!("{} is for {}, and this engine is {platform}", Quoted(reference), image.platform);
                Err(self.wrong(line, &why))
            }
            Ok(image) => Ok(Some(image)),
            Err(error @ (EngineError::Cancelled | EngineError::Unavailable { .. })) => Err(error.into()),
            Err(error) => Err(match other {
                Some(other) => {
                    let what = format!(
                        "is the name of an image here that was built for project {other}, and no registry gives one ({error})"
                    );
                    self.anothers(line, reference, &what)
                }
                None => self.wrong(line, &error.to_string()),
            }),
        }
    }

    fn place(&self, line: u32) -> Option<Place> {
        let spec = &self.request.spec;
        spec.dockerfile_inline.is_none().then(|| Place { file: spec.dockerfile.to_string(), line })
    }

    fn wrong(&self, line: u32, why: &str) -> Setback {
        in_component(self.component, Problem::error(self.place(line), "", why))
    }

    fn anothers(&self, line: u32, reference: &str, what: &str) -> Setback {
        let allow = format!("images = [{reference:?}]");
        let problem = Problem::refusal(self.place(line), "", &format!("{} {what};", Quoted(reference)), allow);
        in_component(self.component, problem)
    }

    fn refuse_remotes(&self, allowed: &Permissions, found: Fetched) -> Result<(), Setback> {
        let refused = found.remotes.into_iter().find_map(|remote| {
            refused_remote(allowed, self.place(remote.line), "", &remote.source, remote.host.as_deref())
        });
        refused.map_or(Ok(()), |problem| Err(in_component(self.component, problem)))
    }
}

/// `linux/arm64/v8` is for `linux/arm64`.
fn is_for(image: &str, platform: &str) -> bool {
    let begin = |text: &str| text.split('/').take(2).map(str::to_string).collect::<Vec<_>>();
    begin(image) == begin(platform)
}

/// `1.41`.
fn api_of(engine: &EngineInfo) -> Option<(u32, u32)> {
    let (major, minor) = engine.api.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
