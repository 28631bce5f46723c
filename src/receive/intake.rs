//! What the receiver asks of the rest of Launchway: it holds no rules of its own.

use crate::forge::{InvalidDelivery, Kept, Proof};
use crate::model::{DeliveryId, DeploymentId, EnvironmentName, Event, ForgeKind, ProjectName};
use async_trait::async_trait;
use serde::Serialize;

/// Who stands behind the hooks: knows the projects, stores deliveries and decides what becomes of them.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// The project of this name, and what its deliveries are checked against; `None` where there is none. Called for
    /// every request before it is known who sent it, so it must be quick and must not write.
    fn expected(&self, project: &str) -> Option<Expected>;

    /// Hears that a delivery proved nothing, of whatever project: whether what deliveries are checked against is other than
    /// [`Intake::expected`] has just said, because a secret was renewed. Anybody can send such deliveries, so it must not look
    /// closer for each of them.
    async fn is_renewed(&self) -> bool {
        false
    }

    /// Takes a delivery whose signature is valid for its project; it is as valid for every other project of the same
    /// forge with an equal [`Proof`]. It returns only when the delivery is stored durably; an invalid one
    /// is stored too, so that its owner can see what was wrong.
    ///
    /// # Errors
    /// The delivery could not be stored: the sender is asked to try again.
    async fn accept(&self, delivery: Verified) -> anyhow::Result<Answer>;

    /// Hears of a request that proved nothing, for a project or for a name that none has, so that its owner can see why a hook
    /// is refused.
    /// Anybody can send such requests: it must be quick, and keep only a few.
    fn refused(&self, _project: &ProjectName, _forge: ForgeKind, _reason: &str) {}
}

/// What is expected of a project's deliveries.
#[derive(Debug, Clone)]
pub struct Expected {
    pub project: ProjectName,
    pub forge: ForgeKind,
    pub proof: Proof,
}

/// A delivery that its project's forge really sent.
#[derive(Debug, Clone)]
pub struct Verified {
    pub project: ProjectName,
    pub forge: ForgeKind,
    /// The same again when the forge delivers again. No signature but GitLab's newer one covers it: a replay can come
    /// under another id, so what it asks for is to be compared too.
    pub id: DeliveryId,
    /// In the forge's own words: `push`, `Push Hook`; empty where the delivery does not say.
    pub event_name: String,
    /// What it says, or why that cannot be understood.
    pub event: Result<Event, InvalidDelivery>,
    /// What to store: headers and payload without secrets, from which the event can be read again.
    pub kept: Kept,
    /// The id under which this request stands in the log and in its answer's `x-request-id`.
    pub request_id: String,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Something will be deployed: 202.
    Accepted,
    /// It was here before, and nothing new starts: 200.
    Known,
    /// Nothing is deployed for it: 200.
    Ignored,
    /// The forge tried out the hook: 200.
    Pong,
}

/// What the sender is told. Forges show it in their list of deliveries; the plain forge's hook prints message and URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub outcome: Outcome,
    /// What will happen, or why nothing does, as a sentence.
    pub message: String,
    /// Where to watch it.
    pub url: Option<String>,
    pub deployments: Vec<Started>,
}

/// A deployment that a delivery asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    pub id: DeploymentId,
    pub environment: EnvironmentName,
    pub url: Option<String>,
}
