//! What the control API says, and what `--json` prints. The keys are stable: new ones may come, none changes its
//! meaning or goes. Times are RFC 3339 in UTC, durations milliseconds, what is not known is null.

mod insights;
mod places;

use crate::model::{
    CommitId, ComponentName, DeploymentId, DeploymentState, EnvironmentName, ForgeKind, Problem, ProjectName, RefName,
    ReleaseId, Stack, Stage,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use insights::{EnvironmentInsights, InsightsReport};
pub use places::{
    AdoptReport, AdoptRequest, AdoptedThing, GivenBackReport, OrphanReport, ReleaseSummary, RemoveReport,
};

/// `GET /v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusReport {
    pub version: String,
    pub engine: EngineReport,
    pub outbox: OutboxReport,
    /// Every environment of the settings, by project and name.
    pub environments: Vec<EnvironmentReport>,
    /// Environments that left launchway.toml while something of them is live.
    #[serde(default)]
    pub orphans: Vec<OrphanReport>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineReport {
    pub answers: bool,
    pub version: Option<String>,
    pub api: Option<String>,
    pub platform: Option<String>,
    /// Why it does not answer.
    pub problem: Option<String>,
}

/// Statuses that have not reached their forge yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxReport {
    pub unsent: i64,
    /// The newest reason.
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvironmentReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Branches and tags that deploy here, as patterns.
    pub deploys: Vec<String>,
    pub live: Option<LiveReport>,
    pub running: Option<DeploymentSummary>,
    /// The newest first; it wins.
    pub waiting: Vec<DeploymentSummary>,
    /// The newest that has ended.
    pub last: Option<DeploymentSummary>,
    /// Of the live release, by name; null where the engine does not answer.
    pub components: Option<Vec<ComponentReport>>,
    /// Why it is not what its live release says; empty where all is well, and while a deployment runs it is of before.
    pub degraded: Vec<DegradedReport>,
    /// Nothing is watched or deployed there.
    pub paused: Option<PausedReport>,
    /// What its live release uses beyond launchway.toml; null where nothing does.
    pub beyond: Option<BeyondReport>,
    /// What was changed by hand; null where it was not asked for (`?drift=true`), or the engine does not answer.
    pub drift: Option<Vec<DriftReport>>,
    /// Volumes of the environment that no live release names; null where the engine does not answer.
    #[serde(default)]
    pub left_volumes: Option<Vec<LeftVolumeReport>>,
    /// What its live release asks for and does not get, each as a sentence: a method that cannot be.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A volume that holds what an environment wrote once, and that nothing uses or removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftVolumeReport {
    /// On the engine.
    pub name: String,
    /// Where it was, as far as that is known: `db at /data`.
    pub was: Vec<String>,
}

/// What a live release uses and launchway.toml does not allow: the next deployment is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeyondReport {
    /// Each with its place in the repository.
    pub what: Vec<String>,
    /// What launchway.toml has to say so that it is allowed; empty where only another commit helps.
    pub lines: Vec<String>,
}

/// A component of the live release beside what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentReport {
    pub name: ComponentName,
    /// Replicas that should run; 0 for a job.
    pub wanted: u32,
    pub running: u32,
    /// healthy, starting or unhealthy, the worst of its replicas; null where nothing checks it or runs.
    pub health: Option<String>,
    /// How often the engine has restarted its containers.
    pub restarts: u64,
    /// What is worth saying of it: `stopped by hand`, `exited with code 3`, `restarting`, `a job`, ...
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradedReport {
    /// Null: the environment as a whole.
    pub component: Option<ComponentName>,
    /// keeps_dying, stopped, unhealthy or not_put_back.
    pub trouble: String,
    pub why: String,
    /// What it said last, the oldest first.
    pub last_lines: Vec<String>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedReport {
    pub by: String,
    pub reason: Option<String>,
    pub since: Timestamp,
}

/// One difference between what runs and the live release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    pub component: Option<ComponentName>,
    /// The container, or `network NAME`, `volume NAME`.
    pub subject: String,
    /// missing, extra, stopped, paused, renamed, replaced, image, detached or definition.
    pub kind: String,
    /// To be read after the subject.
    pub how: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveReport {
    pub release: ReleaseId,
    pub commit: CommitId,
    pub subject: String,
    /// The deployment that made it live.
    pub deployment: DeploymentId,
    pub since: Option<Timestamp>,
    #[serde(default)]
    pub images: Vec<ImageReport>,
}

/// One component's image in a release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageReport {
    pub component: ComponentName,
    /// What its containers are created from: the tag of what is built, the digest or id of what is pulled.
    pub image: String,
    /// As the Compose file names it; null for what is built.
    pub reference: Option<String>,
    /// As the engine says it; null until the image was there.
    pub id: Option<String>,
    /// When it was built, or seen for the first time.
    pub made_at: Option<Timestamp>,
    /// Base images, as the Dockerfile names them, and the digest (or id) that each had.
    pub bases: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeploymentSummary {
    pub id: DeploymentId,
    /// Counts up in its environment: `production#12`.
    #[serde(default)]
    pub number: i64,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub state: DeploymentState,
    /// Whether `state` is an end.
    pub ended: bool,
    /// What it does, or how it ended, as a sentence.
    pub description: String,
    pub commit: CommitId,
    pub subject: String,
    #[serde(rename = "ref")]
    pub reference: Option<RefName>,
    /// push, found, redelivery, manual, rollback or give-back.
    pub trigger: String,
    pub asked_by: String,
    pub release: Option<ReleaseId>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Its page. Whoever has the address can read it.
    pub page: String,
}

impl DeploymentSummary {
    /// `production#12`
    pub fn in_place(&self) -> String {
        format!("{}#{}", self.environment, self.number)
    }

    /// `41 (production#12)`
    pub fn named(&self) -> String {
        format!("{} ({})", self.id, self.in_place())
    }
}

/// `GET /v1/deployments/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeploymentDetails {
    #[serde(flatten)]
    pub summary: DeploymentSummary,
    /// What was live before.
    pub previous: Option<ReleaseId>,
    pub cancelled_by: Option<String>,
    /// Why it waits neither for windows and freezes nor for a yes.
    #[serde(default)]
    pub now_reason: Option<String>,
    /// What components may start on in place of what they have written to, as somebody named it.
    #[serde(default)]
    pub fresh_volumes: Vec<String>,
    /// What it would have left behind and how to go on, where it ended because nobody had said yes to that.
    #[serde(default)]
    pub asks: Vec<String>,
    /// What was said last where it failed, the newest last.
    #[serde(default)]
    pub last_lines: Vec<String>,
    /// Who said that: a container of this component, or its build. Null where the commit's files are what is wrong.
    #[serde(default)]
    pub last_lines_of: Option<ComponentName>,
    /// Who said yes to it.
    #[serde(default)]
    pub approved_by: Option<String>,
    pub rebuild: bool,
    #[serde(default)]
    pub pull: bool,
    /// The number of the delivery that asked for it.
    pub delivery: Option<i64>,
    pub stages: Vec<StageReport>,
    /// Which components change and why, then the steps.
    pub plan: Vec<String>,
    /// Of its release, once that is known.
    #[serde(default)]
    pub images: Vec<ImageReport>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageReport {
    pub stage: Stage,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Until now where it has not ended.
    pub took_ms: i64,
    /// done, failed, rolled_back, cancelled or superseded; null while it goes on.
    pub outcome: Option<String>,
}

/// `GET /v1/deployments/{id}/log?offset=N`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogPiece {
    /// Whole lines.
    pub text: String,
    /// What to ask for next, in bytes.
    pub next_offset: u64,
    /// The deployment has ended, and nothing follows.
    pub ended: bool,
}

/// One of `GET /v1/deliveries`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverySummary {
    /// Counts up over all projects; `--redeliver` takes it, or the forge's id.
    pub number: i64,
    pub project: ProjectName,
    /// The forge's id.
    pub id: String,
    pub forge: ForgeKind,
    /// In the forge's own words.
    pub event: String,
    /// push, tag, delete, ping, ignored, invalid or refused.
    pub kind: String,
    #[serde(rename = "ref")]
    pub reference: Option<RefName>,
    pub commit: Option<CommitId>,
    pub sender: Option<String>,
    /// It never came; the push was found by comparing branches.
    pub found: bool,
    pub received_at: Timestamp,
    /// received, deploys, ignored, superseded, known, failed, invalid or refused.
    pub outcome: String,
    pub reason: String,
    pub page: String,
}

/// `POST /v1/plan`, and `launchway plan --repository`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub subject: String,
    #[serde(rename = "ref")]
    pub reference: Option<RefName>,
    /// What it is compared with; null where nothing is live.
    pub against: Option<Against>,
    pub components: Vec<ComponentPlan>,
    /// Each level waits for the ones before it.
    pub order: Vec<Vec<ComponentName>>,
    /// From what runs now; null where no engine was asked.
    pub steps: Option<Vec<String>>,
    /// Images that would be pulled first; whether they changed is not known until then.
    pub to_pull: Vec<String>,
    /// Notes and warnings about the commit's files.
    pub notes: Vec<String>,
    /// Why a push would not be deployed at once: a window, a freeze, somebody's yes; null where it would, or no server
    /// was asked.
    #[serde(default)]
    pub waits: Option<String>,
    /// What components would start on in place of what they have written to, with both ways on: the deployment ends before it
    /// touches anything unless somebody says yes to it. Empty where no engine was asked.
    #[serde(default)]
    pub asks: Vec<String>,
}

/// `POST /v1/check`: a stack as a working copy has it, read by the settings of an environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    pub stack: Stack,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckReport {
    /// What deploying it would ask about, each with its place in the Compose file.
    pub asks: Vec<Problem>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Against {
    /// Null where a commit was named.
    pub release: Option<ReleaseId>,
    pub commit: CommitId,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComponentPlan {
    pub name: ComponentName,
    /// new, changed, unchanged or removed.
    pub change: String,
    /// Empty where nothing changed.
    pub reasons: Vec<String>,
    /// Null for what is removed.
    pub method: Option<String>,
    pub method_reason: Option<String>,
    /// The component whose build is its image.
    #[serde(default)]
    pub uses_build_of: Option<ComponentName>,
    /// Its release command would run, before anything that it does not need is touched.
    #[serde(default)]
    pub release_command: bool,
}

/// Which environment; neither has to be named where only one is set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeployRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    /// A full id or its first digits; absent: the newest.
    pub commit: Option<String>,
    /// Pull base images and build anew.
    pub rebuild: bool,
    /// Resolve the tags of images that are only named anew.
    pub pull: bool,
    /// Why it is to wait neither for windows and freezes nor for a yes; absent: it waits.
    pub now_reason: Option<String>,
    /// What components may start on in place of what they have: a volume by its name on the engine or its key in the Compose
    /// file, else `component:path`.
    pub fresh_volumes: Vec<String>,
    pub by: String,
}

/// `GET /v1/queue`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueReport {
    /// How many deployments may run at once.
    pub slots: usize,
    pub begun: Vec<QueuedReport>,
    /// In the order in which they get a slot.
    pub ready: Vec<QueuedReport>,
    /// What waits for something else than its turn.
    pub held: Vec<QueuedReport>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueuedReport {
    /// Of its environment; the higher goes first. A rollback goes before all, whatever it says.
    pub priority: i8,
    /// It waits for somebody's yes: `POST /v1/deployments/{id}/approve`.
    pub waits_for_yes: bool,
    #[serde(flatten)]
    pub summary: DeploymentSummary,
}

/// One row of `GET /v1/audit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditReport {
    pub at: Timestamp,
    pub by: String,
    /// deploy, deploy-now, approve, rollback, give-back, cancel, pause, resume, promote, adopt, remove or fresh-volume.
    pub action: String,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub deployment: Option<DeploymentId>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    /// Absent: the nearest before the live one that differs from it.
    pub to: Option<ReleaseId>,
    /// What was live when this was planned: where that has changed, nothing is done. Absent: whatever is live.
    pub from: Option<ReleaseId>,
    pub by: String,
}

/// `POST /v1/rollback/plan`: what going back would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollbackReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// What is live, and is left.
    pub from: RollbackRelease,
    pub to: RollbackRelease,
    /// Releases in between that do not differ from the live one, the nearest first.
    pub same: Vec<ReleaseId>,
    /// Every component of the two releases.
    pub components: Vec<ComponentPlan>,
    /// Rules that hold while a release is live, and are others in the one that is put back: `the freezes`.
    pub rules: Vec<String>,
    /// The deployment that runs there, and is cancelled.
    pub cancels: Option<DeploymentId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackRelease {
    pub release: ReleaseId,
    pub commit: CommitId,
    pub subject: String,
}

/// `POST /v1/start`, `POST /v1/resume`, `POST /v1/give-back` and `POST /v1/remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    pub by: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Components of which something was started.
    pub started: Vec<ComponentName>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    pub reason: Option<String>,
    pub by: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromoteRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    /// Past every hold that is to come, and not only the one that is held.
    pub to_the_end: bool,
    pub by: String,
}

/// What `POST /v1/promote` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PromoteReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub deployment: DeploymentId,
    /// Components whose canary goes on.
    pub promoted: Vec<ComponentName>,
}

/// What `POST /v1/pause` and `POST /v1/resume` answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PauseReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub paused: Option<PausedReport>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CancelRequest {
    pub by: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    pub commit: Option<String>,
    /// A commit to compare with, instead of what is live.
    pub against: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An absolute path on the server's machine; nothing may be there yet.
    pub file: std::path::PathBuf,
}

/// `POST /v1/gc`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectRequest {
    /// Take nothing away, only say what would go.
    pub dry_run: bool,
    /// Answer with a line for each thing as it goes ([`CollectLine`]), and the report as the last one.
    #[serde(default)]
    pub follow: bool,
}

/// A line of `application/x-ndjson`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectLine {
    /// What is done now.
    Doing(String),
    Report(CollectReport),
    /// It could not be carried out: why.
    Failed(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectReport {
    pub dry_run: bool,
    /// What went, or would go.
    pub removed: Vec<CollectedReport>,
    /// The sum of what is known, at most: images share layers.
    pub removed_bytes: u64,
    pub kept: Vec<CollectedReport>,
    /// What could not be looked at or taken away, and why.
    pub problems: Vec<String>,
    pub disks: Vec<DiskReport>,
    /// All of the engine's, whoever built; null where the engine does not tell.
    pub build_cache_bytes: Option<u64>,
    /// `keep.build-cache`; null: the build cache is not touched.
    pub build_cache_most_bytes: Option<u64>,
}

/// One thing, and why it goes or stays.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectedReport {
    pub what: String,
    pub why: String,
    /// Null where it is not known.
    pub size_bytes: Option<u64>,
}

/// A disk that can be seen from the server; the engine's is missing where that is another machine's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DiskReport {
    pub of: String,
    pub folder: std::path::PathBuf,
    pub free_bytes: u64,
    pub total_bytes: u64,
}
