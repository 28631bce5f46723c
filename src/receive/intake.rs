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

impl Verified {
    /// One for each event of a request that tells several: a push may change several refs. Each has an id of its own, the
    /// same ones again when the forge delivers again.
    pub(super) fn for_each_of(self, events: Vec<Event>) -> Vec<Self> {
        let numbered = events.into_iter().enumerate();
        numbered.map(|(at, event)| Self { id: self.id.of_part(at), event: Ok(event), ..self.clone() }).collect()
    }
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

impl Answer {
    /// What is told of all that one request brought; `None` where that is nothing.
    pub(super) fn of_all(mut answers: Vec<Self>) -> Option<Self> {
        if answers.len() < 2 {
            return answers.pop();
        }
        let telling = answers.iter().find(|answer| answer.outcome == Outcome::Accepted).or(answers.first())?;
        let (outcome, url) = (telling.outcome, telling.url.clone());
        let message = answers.iter().map(|answer| answer.message.as_str()).collect::<Vec<_>>().join("; ");
        let deployments = answers.into_iter().flat_map(|answer| answer.deployments).collect();
        Some(Self { outcome, message, url, deployments })
    }
}

/// A deployment that a delivery asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    pub id: DeploymentId,
    pub environment: EnvironmentName,
    pub url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: Outcome, message: &str, deployment: Option<i64>) -> Answer {
        let environment = EnvironmentName::new("production").unwrap();
        let started = deployment.map(|id| Started { id: DeploymentId(id), environment, url: None });
        let url = deployment.map(|id| format!("/deployments/{id}"));
        Answer { outcome, message: message.into(), url, deployments: started.into_iter().collect() }
    }

    #[test]
    fn what_one_push_of_several_refs_brings_is_told_as_one_answer() {
        assert_eq!(Answer::of_all(Vec::new()), None);
        let alone = answer(Outcome::Known, "deployed already", None);
        assert_eq!(Answer::of_all(vec![alone.clone()]), Some(alone));
        let told = Answer::of_all(vec![
            answer(Outcome::Ignored, "no environment deploys wip", None),
            answer(Outcome::Accepted, "main will be deployed", Some(7)),
            answer(Outcome::Accepted, "v2 will be deployed", Some(8)),
        ])
        .unwrap();
        assert_eq!(told.outcome, Outcome::Accepted);
        assert_eq!(told.message, "no environment deploys wip; main will be deployed; v2 will be deployed");
        assert_eq!(told.url.as_deref(), Some("/deployments/7"));
        assert_eq!(told.deployments.iter().map(|started| started.id.0).collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn each_event_of_a_request_has_an_id_of_its_own_and_the_same_one_again() {
        let ping = || Event { kind: crate::model::EventKind::Ping, repository: None, sender: None };
        let request = Verified {
            project: ProjectName::new("shop").unwrap(),
            forge: ForgeKind::GitHub,
            id: DeliveryId::new("d".repeat(128)).unwrap(),
            event_name: "push".into(),
            event: Err(InvalidDelivery::new("not read yet")),
            kept: Kept { headers: Vec::new(), body: bytes::Bytes::new() },
            request_id: "r".into(),
        };
        let ids = || -> Vec<String> {
            let each = request.clone().for_each_of(vec![ping(), ping(), ping()]);
            assert!(each.iter().all(|one| one.event.is_ok()));
            each.into_iter().map(|one| DeliveryId::new(one.id.to_string()).unwrap().to_string()).collect()
        };
        assert_eq!(ids(), ["d".repeat(128), format!("{}+1", "d".repeat(126)), format!("{}+2", "d".repeat(126))]);
        assert_eq!(ids(), ids());
    }
}
