//! What a build begins from, looked at before it begins: nobody else's image stands under a name that it means to pull, and
//! no base image brings along instructions that would fetch what the Dockerfile may not.

use crate::build::BuildRequest;
use crate::compose::dockerfile::{Base, Fetched, Image as Named, Platform};
use crate::compose::refused_remote;
use crate::engine::{EngineError, EngineInfo, Image};
use crate::model::{
    AdditionalContext, BuildSpec, Builders, ComponentName, Permissions, Place, Problem, ProjectName, Quoted,
    full_image_name, is_launchways_own, lists_image, registry_of,
};
use crate::run::flow::pulling::{PullError, Pulled, Pulling};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::image_names::{BegunFrom, built_for_another};
use crate::run::ground::log::DeploymentLog;
use crate::run::ground::reading::{DockerfileOrder, DockerfileSays, ReadError, Reader};
use crate::run::ground::stage_error::{StageError, in_component};
use std::collections::{BTreeMap, BTreeSet};
use tokio_util::sync::CancellationToken;

/// The first API of an engine whose BuildKit asks the source policy (Docker 24).
const ASKS_THE_POLICY: (u32, u32) = (1, 43);
/// The first API of an engine whose BuildKit knows further contexts, and so takes another image for a name (Docker 23).
const KNOWS_CONTEXTS: (u32, u32) = (1, 42);

/// What was found.
#[derive(Default)]
pub struct Bases {
    /// Others' builds are not given these names meanwhile.
    pub begun_from: Vec<BegunFrom>,
    /// All of them were pulled, and looked at as they are here.
    pub pulled: bool,
    /// Names that are other images' here, and what the build begins from instead: what their registry has, by its digest.
    pub instead: BTreeMap<String, String>,
}

/// A build whose bases are looked at.
pub struct Looking<'a> {
    pub deployer: &'a Deployer,
    pub project: &'a ProjectName,
    pub component: &'a ComponentName,
    pub request: &'a BuildRequest,
    /// Who builds which image of the release.
    pub builders: &'a Builders,
    pub reader: Reader<'a>,
    pub log: &'a DeploymentLog,
    pub cancel: &'a CancellationToken,
}

impl Looking<'_> {
    /// The build with what others build called by the name under which Launchway keeps it: the Dockerfile's text and what of
    /// the settings is left to say beside it. `None`: there is nothing of the kind.
    pub async fn named(&self) -> Result<Option<(String, BuildSpec)>, StageError> {
        let BuildRequest { spec, images, .. } = self.request;
        let engine = self.deployer.engine.info().await?;
        let knows_contexts = api_of(&engine).is_none_or(|api| api >= KNOWS_CONTEXTS);
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut left = BuildSpec { bases: BTreeMap::new(), ..spec.clone() };
        names
            .extend(spec.bases.iter().filter_map(|(name, builder)| Some((name.clone(), images.get(builder)?.clone()))));
        left.additional_contexts.retain(|name, context| {
            let image = match context {
                _ if knows_contexts => None,
                AdditionalContext::Component(builder) => images.get(builder).cloned(),
                AdditionalContext::Reference(text) => text.strip_prefix("docker-image://").map(str::to_string),
                AdditionalContext::Folder(_) => None,
            };
            let stays = image.is_none();
            names.extend(image.map(|image| (name.clone(), image)));
            stays
        });
        if names.is_empty() {
            return Ok(None);
        }
        let order = DockerfileOrder { spec: left.clone(), names, ..self.order(&engine) };
        match self.read(&order).await? {
            DockerfileSays::Renamed(text) => Ok(Some((text, left))),
            DockerfileSays::OwnFrontend | DockerfileSays::Fetches(_) => Ok(None),
            DockerfileSays::Wrong { line, why } => Err(self.wrong(line, &why)),
            DockerfileSays::Unreadable(why) => Err(in_component(self.component, why)),
        }
    }

    /// The Dockerfile, as the engine gets it, with nothing known of what it names.
    fn order(&self, engine: &EngineInfo) -> DockerfileOrder {
        let BuildRequest { spec, dockerfile, .. } = self.request;
        DockerfileOrder {
            spec: spec.clone(),
            text: dockerfile.clone(),
            engine: engine.platform.clone(),
            target: spec.platform.clone().unwrap_or_else(|| engine.platform.clone()),
            bases: BTreeMap::new(),
            contexts: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// Finds out which images a Dockerfile begins from, and pulls what is to be pulled.
    ///
    /// # Errors
    /// An image that is refused or cannot be had.
    pub async fn look(&self) -> Result<Bases, StageError> {
        let BuildRequest { spec, pull, images, .. } = self.request;
        let pulls = spec.pull || *pull;
        let mut found = Bases::default();
        let engine = self.deployer.engine.info().await?;
        let knows = |first| api_of(&engine).is_some_and(|api| api >= first);
        let asks_the_policy = knows(ASKS_THE_POLICY);
        // Told to pull, BuildKit would ask a registry for what other components have built, too.
        let pulled_here = pulls && (!asks_the_policy || !images.is_empty());
        let allowed = self.deployer.allowed(self.project);
        let mut order = self.order(&engine);
        for (name, builder) in spec.built_by_others() {
            order.contexts.insert(name.to_string(), images.get(builder).cloned());
        }
        let mut looked_at: BTreeSet<(String, bool)> = BTreeSet::new();
        let last = loop {
            let now = match self.read(&order).await? {
                DockerfileSays::Fetches(now) => now,
                DockerfileSays::OwnFrontend | DockerfileSays::Renamed(_) => return Ok(found),
                DockerfileSays::Wrong { line, why } => return Err(self.wrong(line, &why)),
                DockerfileSays::Unreadable(why) => return Err(in_component(self.component, why)),
            };
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
            let wanted = match &named.platform {
                Some(Platform::Known(platform)) => Some(platform.as_str()),
                Some(Platform::Unknown) => None,
                None => Some(order.target.as_str()),
            };
            let image = if self.is_of_others(reference) {
                self.build_of_another(named.line, reference, wanted).await?
            } else if let Some(builder) = self.builders.of_image(reference, self.component).first() {
                // Where the Compose file was read, it could not be told that this names it; or no stage needs it.
                match now.needed.contains(reference) {
                    true => return Err(self.told_too_late(named.line, reference, builder)),
                    false => None,
                }
            } else {
                let look = (!asks_the_policy || pulled_here) && named.is_base;
                let is_of_engine = wanted == Some(engine.platform.as_str());
                if !asks_the_policy && named.is_base && !is_of_engine {
                    let why = format!(
                        "{} for another platform cannot be looked at on this engine before it is used; Docker \
                         Engine 24 or newer is needed",
                        Quoted(reference)
                    );
                    return Err(self.wrong(named.line, &why));
                }
                found.begun_from.push(self.deployer.image_names.begin_from(self.project, reference));
                let look = look && is_of_engine;
                let wants = Wants { look, anew: look && pulls, may_be_another: knows(KNOWS_CONTEXTS) };
                let (image, instead) = self.image(named.line, reference, wants, &allowed, &engine.platform).await?;
                found.instead.extend(instead.map(|instead| (reference.clone(), instead)));
                image
            };
            if let Some(Image { environment, triggers, .. }) = image.filter(|_| named.is_base) {
                order.bases.insert(reference.clone(), Base { environment, triggers });
            }
            looked_at.insert((reference.clone(), named.is_base));
        };
        found.pulled = pulled_here;
        self.refuse_remotes(&allowed, last)?;
        Ok(found)
    }

    /// What the Dockerfile says, by the project's reader: here a commit and what it builds on are read with what only the build
    /// knows. One death of the reader may be the host's doing.
    async fn read(&self, order: &DockerfileOrder) -> Result<DockerfileSays, StageError> {
        let mut died = 0;
        loop {
            match self.reader.dockerfile(&self.request.tree, order).await {
                Err(ReadError::Died(why)) => {
                    self.log.line(Some(self.component), &why);
                    died += 1;
                    if died == 2 {
                        let why = format!("what reads its Dockerfile ended twice in the middle of it: {}", Quoted(why));
                        return Err(in_component(self.component, why));
                    }
                }
                read => return Ok(read?),
            }
        }
    }

    /// Whether it is the name under which Launchway keeps what another component of the release builds.
    fn is_of_others(&self, reference: &str) -> bool {
        let full = full_image_name(reference);
        self.request.images.values().any(|image| full_image_name(image) == full)
    }

    /// What another component has built, which is there by now. `platform`: the one that is needed, where it is known.
    async fn build_of_another(
        &self,
        line: u32,
        reference: &str,
        platform: Option<&str>,
    ) -> Result<Option<Image>, StageError> {
        let image = self.deployer.engine.image(reference).await?;
        let other = image.as_ref().zip(platform).filter(|(image, platform)| !is_for(&image.platform, platform));
        match other {
            Some((image, platform)) => {
                let why = format!(
                    "{} was built for {}, and {platform} is needed here; `platforms` of both builds have to be \
                     the same",
                    Quoted(reference),
                    image.platform
                );
                Err(self.wrong(line, &why))
            }
            None => Ok(image),
        }
    }

    fn told_too_late(&self, line: u32, reference: &str, builder: &ComponentName) -> StageError {
        let why = format!(
            "service {builder} builds {}, and that this names it could not be told before; write the name out, or \
             name another one here and give it `build.additional_contexts: {{ NAME: \"service:{builder}\" }}`",
            Quoted(reference)
        );
        self.wrong(line, &why)
    }

    /// The image as the engine has it, if it has it; and what is to be begun from instead of what has the name here.
    async fn image(
        &self,
        line: u32,
        reference: &str,
        wants: Wants,
        allowed: &Permissions,
        platform: &str,
    ) -> Result<(Option<Image>, Option<String>), StageError> {
        let Wants { look, anew, may_be_another } = wants;
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
            return Ok((there, None));
        }
        if !asks && is_listed && there.is_some() {
            return Ok((there, None));
        }
        let (names, project) = (image_names, self.project);
        let pulling = Pulling { engine, store: Some(store), names, project, reference, is_listed };
        if !may_be_another && !pulling.tag_may_move().await? {
            let whose = other.map(|other| format!(" that was built for project {other}")).unwrap_or_default();
            let what = format!(
                "is the name of an image here{whose}, and this engine's builds begin from that, whatever a registry has (Docker Engine 23 or newer is needed)"
            );
            return Err(self.anothers(line, reference, &what));
        }
        self.log.line(Some(self.component), &format!("pulling {}, which the build begins from", Quoted(reference)));
        let progress = |text: &str| self.log.line(Some(self.component), text);
        match pulling.pull(&progress, self.cancel).await {
            Ok(Pulled { image, .. }) if !fits(&image) => {
                let why = format!("{} is for {}, and this engine is {platform}", Quoted(reference), image.platform);
                Err(self.wrong(line, &why))
            }
            Ok(Pulled { image, by_digest }) => Ok((Some(image), by_digest)),
            Err(PullError::Engine(error @ (EngineError::Cancelled | EngineError::Unavailable { .. }))) => {
                Err(error.into())
            }
            Err(error @ PullError::Store(_)) => Err(error.into()),
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

    fn wrong(&self, line: u32, why: &str) -> StageError {
        in_component(self.component, Problem::error(self.place(line), "", why))
    }

    fn anothers(&self, line: u32, reference: &str, what: &str) -> StageError {
        let allow = format!("images = [{reference:?}]");
        let problem = Problem::refusal(self.place(line), "", &format!("{} {what};", Quoted(reference)), allow);
        in_component(self.component, problem)
    }

    fn refuse_remotes(&self, allowed: &Permissions, found: Fetched) -> Result<(), StageError> {
        let refused = found.remotes.into_iter().find_map(|remote| {
            refused_remote(allowed, self.place(remote.line), "", &remote.source, remote.host.as_deref())
        });
        refused.map_or(Ok(()), |problem| Err(in_component(self.component, problem)))
    }
}

/// How an image is wanted.
#[derive(Clone, Copy)]
struct Wants {
    /// It is looked at before the build, and pulled where it is not there.
    look: bool,
    /// It is pulled in any case.
    anew: bool,
    /// The build can begin from another image than the one that has the name.
    may_be_another: bool,
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
