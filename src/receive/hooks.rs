//! `POST /hooks/{project}`: verify, hand over, answer.

use super::body::{BodyLimits, BodyReader};
use super::intake::{Answer, Expected, Intake, Outcome, Verified};
use super::problem::Problem;
use super::request_id::{self, RequestId};
use super::said::Said;
use crate::connections::Caller;
use crate::forge::{self, InvalidDelivery, Proof, SignatureVerdict};
use crate::model::{ForgeKind, ProjectName, Quoted, Secret};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router, middleware};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

/// What the receiver may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    pub body: BodyLimits,
    /// How long a verified delivery may wait to be stored. Gitea gives up on the whole request after 5 s.
    pub stored_within: Duration,
    /// Deliveries that are checked and stored at one time; others wait their turn within `stored_within`.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: BodyLimits::default(), stored_within: Duration::from_secs(8), at_once: 512 }
    }
}

/// Checking this many bytes takes about a millisecond; more of them would hold up the other requests of a thread.
const CHECKED_IN_PLACE: usize = 256 * 1024;

struct Receiver {
    intake: Arc<dyn Intake>,
    bodies: BodyReader,
    turns: Semaphore,
    stored_within: Duration,
    /// What requests for unknown projects are checked against, so that they take the same work.
    nobody: Expected,
}

/// The routes of the receiver, to be merged into the server's.
///
/// # Errors
/// The system has no randomness to offer.
pub fn routes(intake: Arc<dyn Intake>, limits: Limits) -> anyhow::Result<Router> {
    let receiver = Receiver {
        intake,
        bodies: BodyReader::new(limits.body),
        turns: Semaphore::new(limits.at_once),
        stored_within: limits.stored_within,
        nobody: nobody()?,
    };
    Ok(Router::new()
        .route("/hooks/{project}", post(receive).fallback(only_post))
        .with_state(Arc::new(receiver))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Launchway failed on this request; its log says where")
                .into_response()
        }))
        .layer(middleware::from_fn(request_id::assign)))
}

fn nobody() -> anyhow::Result<Expected> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(Expected {
        project: ProjectName::new("nobody")?,
        forge: ForgeKind::GitHub,
        proof: Proof { secret: Some(Secret::new(hex::encode(random))), signing_token: None },
    })
}

async fn only_post() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a webhook is sent with POST").with_header(header::ALLOW, "POST")
}

/// Unknown project, missing signature, wrong signature: one answer, so that nobody learns which projects exist.
fn not_proven() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "no project of this name, or the delivery's signature is missing or wrong: compare the secret on both sides",
    )
    .with_header(header::WWW_AUTHENTICATE, "Webhook-Signature")
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    Extension(request_id): Extension<RequestId>,
    caller: Option<Extension<Caller>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // A name that cannot be read is a name that no project has.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let span =
        tracing::info_span!("delivery", request.id = %request_id, project = %Quoted(name.get(..63).unwrap_or(&name)));
    let caller = caller.map(|Extension(caller)| caller);
    receiver
        .answer(&name, headers, (body, caller), request_id)
        .instrument(span)
        .await
        .unwrap_or_else(Problem::into_response)
}

impl Receiver {
    async fn answer(
        self: Arc<Self>,
        name: &str,
        headers: HeaderMap,
        (body, caller): (Body, Option<Caller>),
        request_id: RequestId,
    ) -> Result<Response, Problem> {
        let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
        if encoded || forge::content_type(&headers).is_none() {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "set the webhook's content type to application/json (or application/x-www-form-urlencoded), uncompressed",
            ));
        }
        let mut body = self.bodies.read(&headers, body, caller).await?;
        let busy = || Problem::try_again("Launchway is busy: try again in a moment");
        let _turn = timeout(self.stored_within, self.turns.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let request = Unproven { headers, body: std::mem::take(&mut body.bytes), verdict: SignatureVerdict::Absent };
        let (mut expected, mut known) = self.expected(name);
        let mut checked = checked(expected.clone(), request, &request_id).await?;
        if let Err(unproven) = checked {
            // The same for a project that is not there, so that nobody learns by the time which are.
            checked = match self.intake.is_renewed().await {
                true => {
                    (expected, known) = self.expected(name);
                    self::checked(expected.clone(), *unproven, &request_id).await?
                }
                false => Err(unproven),
            };
        }
        let deliveries = match checked {
            Ok(deliveries) if known => deliveries,
            unproven => {
                let reason = match &unproven {
                    Err(unproven) if known => verdict_reason(&unproven.verdict),
                    _ => "no such project",
                };
                tracing::warn!(reason, "a delivery was refused");
                match (known, &unproven) {
                    (true, _) => self.intake.refused(&expected.project, expected.forge, reason),
                    (false, Err(unproven)) => self.stray(name, &unproven.headers),
                    (false, Ok(_)) => {}
                }
                return Err(not_proven());
            }
        };
        let answer = self.store(deliveries).await;
        // Until now what is stored may have held the body's memory.
        drop(body);
        answer
    }

    /// What a delivery to this name is checked against, and whether a project has it.
    fn expected(&self, name: &str) -> (Expected, bool) {
        match self.intake.expected(name) {
            Some(expected) => (expected, true),
            None => (self.nobody.clone(), false),
        }
    }

    /// A delivery to a name that no project has: most likely a mistake in the webhook's address, which its owner can see.
    fn stray(&self, name: &str, headers: &HeaderMap) {
        let Ok(project) = ProjectName::new(name) else { return };
        let says = |forge: &ForgeKind| headers.contains_key(forge::default_event_header(*forge));
        let forge = ForgeKind::ALL.into_iter().find(says).unwrap_or(ForgeKind::Plain);
        self.intake.refused(
            &project,
            forge,
            "launchway.toml has no project of this name: compare the webhook's address",
        );
    }

    /// Stores what one request brought, in its order. Where one of several cannot be stored, the forge sends all of them
    /// again, and those that were are known by then.
    async fn store(&self, deliveries: Vec<Verified>) -> Result<Response, Problem> {
        let first = deliveries.first().map(|delivery| delivery.id.clone());
        let mut answers = Vec::new();
        for delivery in deliveries {
            answers.push(self.store_one(delivery).await?);
        }
        let (Some(id), Some(answer)) = (first, Answer::of_all(answers)) else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "the delivery says nothing"));
        };
        let status = match answer.outcome {
            Outcome::Accepted => StatusCode::ACCEPTED,
            Outcome::Known | Outcome::Ignored | Outcome::Pong => StatusCode::OK,
        };
        Ok((status, Said(Told { delivery: id.as_str(), answer: &answer })).into_response())
    }

    async fn store_one(&self, delivery: Verified) -> Result<Answer, Problem> {
        let (id, invalid) = (delivery.id.clone(), delivery.event.as_ref().err().cloned());
        let answer = match timeout(self.stored_within, self.intake.accept(delivery)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::error!(delivery.id = %id, error = format!("{error:#}"), "a delivery could not be stored");
                return Err(Problem::try_again("the delivery could not be stored: send it again"));
            }
            Err(_) => {
                tracing::error!(delivery.id = %id, "storing a delivery took too long");
                return Err(Problem::try_again("storing the delivery took too long: send it again"));
            }
        };
        if let Some(invalid) = invalid {
            tracing::warn!(delivery.id = %id, reason = invalid.reason, "a delivery is invalid");
            // As it was stored, without secrets.
            let mut problem = Problem::new(StatusCode::BAD_REQUEST, answer.message);
            problem.url = answer.url;
            return Err(problem);
        }
        tracing::info!(delivery.id = %id, outcome = ?answer.outcome, "{}", answer.message);
        Ok(answer)
    }
}

#[derive(serde::Serialize)]
struct Told<'a> {
    delivery: &'a str,
    #[serde(flatten)]
    answer: &'a Answer,
}

fn verdict_reason(verdict: &SignatureVerdict) -> &str {
    match verdict {
        SignatureVerdict::Invalid { reason } => reason,
        other => other.word(),
    }
}

/// A delivery that has proved nothing, so far.
struct Unproven {
    headers: HeaderMap,
    body: Bytes,
    verdict: SignatureVerdict,
}

/// Verifies, and only then reads. Large bodies are checked on a thread of their own.
async fn checked(
    expected: Expected,
    request: Unproven,
    request_id: &RequestId,
) -> Result<Result<Vec<Verified>, Box<Unproven>>, Problem> {
    let request_id = request_id.to_string();
    if request.body.len() <= CHECKED_IN_PLACE {
        return Ok(check(expected, request, request_id));
    }
    tokio::task::spawn_blocking(move || check(expected, request, request_id)).await.map_err(|error| {
        tracing::error!(%error, "checking a delivery failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Launchway failed on this request; its log says where")
    })
}

fn check(expected: Expected, request: Unproven, request_id: String) -> Result<Vec<Verified>, Box<Unproven>> {
    let Expected { project, forge, proof } = expected;
    let Unproven { headers, body, .. } = request;
    let verdict = forge::verify(forge, &headers, &body, &proof, jiff::Timestamp::now());
    if verdict != SignatureVerdict::Valid {
        return Err(Box::new(Unproven { headers, body, verdict }));
    }
    let said = Verified {
        project,
        forge,
        id: forge::delivery_id(forge, &headers, &body),
        event_name: forge::event_name(forge, &headers).unwrap_or_default().to_string(),
        event: Err(InvalidDelivery::new("it says nothing")),
        kept: forge::kept(forge, &headers, &body, &proof),
        request_id,
    };
    Ok(match forge::read(forge, &headers, &body) {
        Ok(events) => said.for_each_of(events),
        Err(invalid) => vec![Verified { event: Err(invalid), ..said }],
    })
}
