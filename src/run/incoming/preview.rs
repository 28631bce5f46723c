//! What a deployment would do, without doing any of it: nothing is built, pulled or written.

use crate::build::ContentKeys;
use crate::compose::Reading;
use crate::config::{Environment, Project};
use crate::model::{
    CommitId, ComponentName, DeploymentId, EdgeSettings, Problem, RefName, RegistryAccounts, Release, ReleaseId,
    ReleasePart, Stack, Tree,
};
use crate::plan::Plan;
use crate::plan::changes::{Candidate, ComponentChange, changes};
use crate::plan::converge::release_commands::due;
use crate::plan::converge::{converge, without_ipv6};
use crate::plan::fingerprint;
use crate::plan::method;
use crate::plan::order::levels;
use crate::plan::taking_over::taken_over;
use crate::plan::{Goal, Wanted};
use crate::run::flow::asking::{Answers, known};
use crate::run::flow::checkout::{Checkout, checkout, read};
use crate::run::flow::image_facts::Given;
use crate::run::flow::images::{self, Anew, Resolve, Settling};
use crate::run::flow::storage::{Answered, Question};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::reading::{ReadError, Reader};
use crate::run::ground::refusal::Refusal;
use crate::run::ground::stage_error::StageError;
use crate::run::ground::traffic_past::TrafficPast;
use crate::source::CommitInfo;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which components would change from one commit to another, and in which order they would be put live.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub changes: Vec<ComponentChange>,
    /// Each level waits for the ones before it.
    pub order: Vec<Vec<ComponentName>>,
    /// Components whose release command would run.
    pub release_commands: BTreeSet<ComponentName>,
    /// Notes and warnings about the new commit's files.
    pub problems: Vec<Problem>,
}

/// What deploying a commit would do.
#[derive(Debug, Clone)]
pub struct Preview {
    pub commit: CommitInfo,
    pub reference: RefName,
    /// What it is compared with: the release that is live, or a commit that was named. `None`: nothing is live.
    pub against: Option<(Option<ReleaseId>, CommitId)>,
    pub comparison: Comparison,
    /// The steps from what runs now.
    pub plan: Plan,
    /// Images that would be pulled first; until then it is not known whether they changed.
    pub to_pull: Vec<String>,
    /// What else whoever reads this should know, a sentence for each: what Compose made and is used from then on, among it.
    pub notes: Vec<String>,
    /// What components would start on in place of what they have written to: the deployment ends before it touches anything
    /// unless somebody says yes to it.
    pub asks: Vec<String>,
    /// What that is, by the names of `--fresh-volume`.
    pub waiting: Vec<String>,
    /// Names of `--fresh-volume` for which nothing waits, and for which nothing that is still to be built or pulled could.
    pub idle: Vec<String>,
}

/// One commit, read.
struct Side {
    commit: CommitId,
    tree: Arc<dyn Tree>,
    stack: Stack,
    parts: BTreeMap<ComponentName, ReleasePart>,
    problems: Vec<Problem>,
    undecided: Answers,
}

/// Compares two commits by their files alone; images that are only named are compared by their names.
///
/// # Errors
/// What is wrong with the files, as sentences.
pub async fn compare(
    project: &Project,
    environment: &Environment,
    edge: Option<&EdgeSettings>,
    old: Option<(&CommitId, Arc<dyn Tree>)>,
    new: (&CommitId, Arc<dyn Tree>),
) -> Result<Comparison, Refusal> {
    // Both sides are of the same platform, whichever that is.
    let content_keys = ContentKeys::default();
    // Whose command it is, is who waits for it.
    let never = CancellationToken::new();
    let how = How {
        resolve: Resolve::Name,
        platform: "linux/amd64",
        content_keys: &content_keys,
        live: None,
        store: None,
        edge,
        traffic_past: None,
        known: None,
        accounts: &RegistryAccounts::default(),
        reader: Reader {
            readers: None,
            project: &project.name,
            cancel: &never,
            most: Duration::MAX,
            longest: Duration::MAX,
        },
    };
    let nothing = Answers::new();
    let old = match old {
        Some((commit, tree)) => Some(side(project, environment, commit, tree, (&how, &nothing)).await?),
        None => None,
    };
    let new = side(project, environment, new.0, new.1, (&how, &nothing)).await?;
    let old_release = old.as_ref().map(|side| side.release(ReleaseId(0), project, environment));
    let live = old_release.as_ref().zip(old.as_ref()).map(|(release, side)| (release, Some(side.tree.as_ref())));
    comparison(live, &new, (project, environment))
}

/// Reads files of no commit as an environment's settings have them, such as a working copy.
pub async fn read_tree(
    project: &Project,
    environment: &Environment,
    edge: Option<&EdgeSettings>,
    tree: Arc<dyn Tree>,
) -> anyhow::Result<Result<Reading, Vec<Problem>>> {
    let never = CancellationToken::new();
    let reader =
        Reader { readers: None, project: &project.name, cancel: &never, most: Duration::MAX, longest: Duration::MAX };
    // Only a server knows the commit; whatever stands here is as good as another one.
    let commit = CommitId::new("0".repeat(40)).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(read(project, environment, edge, &commit, tree, &Answers::new(), &reader).await?)
}

impl Deployer {
    /// What deploying a commit (the newest, where none is named) would do. It is compared with what is live, or with
    /// the commit `against`; the steps always start from what runs. `fresh_volumes`: what may be started on.
    pub async fn preview(
        &self,
        project: &Project,
        environment: &Environment,
        commit: Option<&str>,
        against: Option<&str>,
        fresh_volumes: &[String],
    ) -> Result<Preview, Refusal> {
        let (commit, reference) = self.commit_to_deploy(project, environment, commit).await?;
        let info = self.engine.info().await.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let live = match self.store.live(&project.name, &environment.name).await? {
            Some(live) => self.store.release(live.release).await?,
            None => None,
        };
        let config = self.config();
        let to_pull = Mutex::default();
        let resolve = Resolve::Look { engine: &self.engine, to_pull: &to_pull };
        let how = How {
            resolve,
            platform: &info.platform,
            content_keys: &self.content_keys,
            live: live.as_ref(),
            store: Some(&self.store),
            edge: config.edge.as_ref(),
            traffic_past: Some(&self.traffic_past),
            known: None,
            accounts: &config.registries,
            reader: Reader {
                readers: Some(&self.readers),
                project: &project.name,
                cancel: &self.stop,
                most: config.limits.prepare,
                longest: config.limits.deploy,
            },
        };
        let Checkout { tree, commit: commit_info } =
            self.told(checkout(self, project, &commit, Some(&reference), &self.stop).await)?;
        let known = known(live.as_ref());
        self.hide_files(&project.name, environment);
        let mut new = side(project, environment, &commit, tree.clone(), (&how, &known)).await?;
        let hidden = self.hide_stack((&project.name, &environment.name), &commit, &new.stack);
        let undecided = std::mem::take(&mut new.undecided);
        let candidate = (&new.stack, &new.parts);
        let asked = self.ask((project, environment), live.as_ref(), candidate, undecided).await;
        let asked = asked.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let heard: Vec<String> = asked.lines().map(|(name, text)| format!("{name}: {text}")).collect();
        let answers = asked.applied(&known);
        if answers != known {
            let how = How { known: Some(&new.parts), ..how };
            new = side(project, environment, &commit, tree, (&how, &answers)).await?;
        }
        let before = match against {
            Some(text) => {
                let commit = self.commit_named(project, text)?;
                let Checkout { tree, .. } = self.told(checkout(self, project, &commit, None, &self.stop).await)?;
                Some(side(project, environment, &commit, tree, (&how, &answers)).await?)
            }
            None => None,
        };
        let (release, release_tree) = match &before {
            Some(side) => (Some(side.release(ReleaseId(0), project, environment)), Some(side.tree.clone())),
            None => self.live_side(project, live.as_ref()),
        };
        let comparison = comparison(
            release.as_ref().map(|release| (release, release_tree.as_deref())),
            &new,
            (project, environment),
        )?;
        let (plan, mut notes, answered) = self.steps(project, environment, &new, live.as_ref(), fresh_volumes).await?;
        notes.extend(heard);
        notes.extend(hidden.told().into_iter().map(|line| format!("masked by guess: {line}")));
        let of_release = before.is_none();
        let to_pull: Vec<String> = to_pull.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        let could_wait = |name: &&String| !depends_on_an_image(name, &new.stack, &to_pull);
        Ok(Preview {
            commit: commit_info,
            reference,
            against: release.map(|release| (of_release.then_some(release.id), release.commit)),
            comparison,
            plan,
            notes,
            asks: answered.problems.iter().map(Problem::to_string).collect(),
            waiting: answered.waiting,
            idle: answered.idle.iter().filter(could_wait).cloned().collect(),
            to_pull,
        })
    }

    /// What is live, and its files where the mirror still has them.
    fn live_side(&self, project: &Project, live: Option<&Release>) -> (Option<Release>, Option<Arc<dyn Tree>>) {
        let Some(live) = live else { return (None, None) };
        let tree = self.mirrors.tree(&project.name, &live.commit).ok();
        (Some(live.clone()), tree.map(|tree| Arc::new(tree) as Arc<dyn Tree>))
    }

    async fn steps(
        &self,
        project: &Project,
        environment: &Environment,
        new: &Side,
        live: Option<&Release>,
        fresh_volumes: &[String],
    ) -> Result<(Plan, Vec<String>, Answered), Refusal> {
        let next = self.store.newest_release().await?.map_or(1, |newest| newest.0 + 1);
        let release = new.release(ReleaseId(next), project, environment);
        let observed = self.observe(project, environment).await;
        let observed = observed.map_err(|error| Refusal::Impossible(error.to_string()))?;
        let accepted = fingerprint::accepted(live, &release);
        let release_commands = due(live, &release, &accepted);
        let unnamed = self.told(self.unnamed(&release, &observed, live).await)?;
        let question = Question { live, release: &release, observed: &observed, names: fresh_volumes, by: "" };
        let mut answered = self.told(self.ask_about_storage(&question, &unnamed).await)?;
        let wanted = Wanted {
            release: Some(&release),
            accepted,
            deployment: None,
            goal: Goal::Deploy,
            release_commands,
            passed: BTreeMap::new(),
            found: Vec::new(),
            unnamed,
        };
        let others = self.others(&release).await?;
        let mut problems = self.met(&release, &others);
        problems.extend(self.refused_beside(&release, live, &others, &observed).await?);
        if !problems.is_empty() {
            return Err(refused(problems));
        }
        let asks = answered.problems.clone();
        let plan = converge(&wanted, &observed).map_err(|more| refused(asks.into_iter().chain(more).collect()))?;
        let notes =
            taken_over(&release, &observed, &wanted.unnamed).into_iter().chain(std::mem::take(&mut answered.lines));
        let notes = notes.chain(without_ipv6(&release, &observed)).collect();
        Ok((plan, notes, answered))
    }

    fn told<T>(&self, result: Result<T, StageError>) -> Result<T, Refusal> {
        result.map_err(|setback| Refusal::Impossible(setback.to_string()))
    }
}

/// Whether `component:path` may be a path that an image declares which is not there yet.
fn depends_on_an_image(name: &str, stack: &Stack, to_pull: &[String]) -> bool {
    let Some((component, _)) = name.split_once(":/") else { return false };
    let component = stack.components.iter().find(|(known, _)| known.as_str() == component);
    component.is_some_and(|(_, one)| one.build.is_some() || one.image.as_ref().is_some_and(|at| to_pull.contains(at)))
}

#[derive(Clone, Copy)]
struct How<'a> {
    resolve: Resolve<'a>,
    platform: &'a str,
    content_keys: &'a ContentKeys,
    live: Option<&'a Release>,
    store: Option<&'a Store>,
    edge: Option<&'a EdgeSettings>,
    traffic_past: Option<&'a TrafficPast>,
    /// Images that were settled a moment ago.
    known: Option<&'a BTreeMap<ComponentName, ReleasePart>>,
    accounts: &'a RegistryAccounts,
    reader: Reader<'a>,
}

async fn side(
    project: &Project,
    environment: &Environment,
    commit: &CommitId,
    tree: Arc<dyn Tree>,
    (how, answers): (&How<'_>, &Answers),
) -> Result<Side, Refusal> {
    let impossible = |error: ReadError| Refusal::Impossible(error.to_string());
    let reading = read(project, environment, how.edge, commit, tree.clone(), answers, &how.reader).await;
    let mut reading = reading.map_err(impossible)?.map_err(refused)?;
    if let Some(past) = how.traffic_past {
        past.tell(&mut reading.stack, &project.name, &environment.name);
    }
    let settling = Settling {
        project: &project.name,
        stack: &reading.stack,
        tree: &tree,
        live: how.live,
        platform: how.platform,
        content_keys: how.content_keys,
        reader: how.reader,
        resolve: how.resolve,
        anew: Anew { build: false, pull: false, by: DeploymentId(0), store: how.store, now_ms: now_ms() },
        known: how.known,
        allowed_images: &project.allow.images,
        accounts: how.accounts,
    };
    let parts = images::settle(&settling).await.map_err(|setback| Refusal::Impossible(setback.to_string()))?;
    let has_edge = how.edge.is_some();
    let facts = how.reader.facts(&tree, &reading.stack).await.map_err(impossible)?;
    let given =
        crate::run::flow::image_facts::give(&mut reading.stack, &parts, how.live, facts, &how.resolve, has_edge).await;
    let Given { problems, undecided } = given.map_err(|error| Refusal::Impossible(error.to_string()))?;
    if problems.iter().any(Problem::is_error) {
        return Err(refused(problems));
    }
    reading.problems.extend(method::unmet(&reading.stack));
    Ok(Side { commit: commit.clone(), tree, stack: reading.stack, parts, problems: reading.problems, undecided })
}

impl Side {
    fn release(&self, id: ReleaseId, project: &Project, environment: &Environment) -> Release {
        Release {
            id,
            project: project.name.clone(),
            environment: environment.name.clone(),
            commit: self.commit.clone(),
            stack: self.stack.clone(),
            parts: self.parts.clone(),
        }
    }
}

fn comparison(
    live: Option<(&Release, Option<&dyn Tree>)>,
    new: &Side,
    (project, environment): (&Project, &Environment),
) -> Result<Comparison, Refusal> {
    let candidate = Candidate { stack: &new.stack, parts: &new.parts, tree: Some(new.tree.as_ref()) };
    let order = levels(&new.stack).map_err(|cycle| Refusal::Impossible(cycle.to_string()))?;
    let release = new.release(ReleaseId(0), project, environment);
    let before = live.map(|(release, _)| release);
    let release_commands = due(before, &release, &fingerprint::accepted(before, &release));
    Ok(Comparison { changes: changes(live, &candidate), order, release_commands, problems: new.problems.clone() })
}

fn refused(problems: Vec<Problem>) -> Refusal {
    let lines: Vec<String> = problems.iter().filter(|p| p.is_error()).map(Problem::to_string).collect();
    Refusal::Impossible(lines.join("\n"))
}
