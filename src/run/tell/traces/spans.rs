//! The spans of one deployment: itself, its wait, its stages, in each stage the components, and the pieces of work.
//!
//! Ids are derived from the deployment's, so a trace that is sent twice is one.

use crate::model::{ComponentName, DeploymentState, Mask, Quoted, Work, WorkKind, WorkOutcome};
use crate::store::{Deployment, StageRecord};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Everything of an ended deployment, without the secrets in what it quotes.
pub fn request(
    deployment: &Deployment,
    stages: &[StageRecord],
    work: &[Work],
    mask: &Mask,
) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let resource = Resource {
        attributes: vec![text("service.name", "launchway"), text("service.version", version)],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "launchway".into(), version: version.into(), ..Default::default() };
    let spans = Spans::new(deployment, mask).all(stages, work);
    let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let of_resource =
        ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

type SpanId = [u8; 8];

struct Spans<'a> {
    deployment: &'a Deployment,
    mask: &'a Mask,
    trace_id: Vec<u8>,
    spans: Vec<Span>,
}

impl<'a> Spans<'a> {
    fn new(deployment: &'a Deployment, mask: &'a Mask) -> Self {
        // The key is what no other server's deployment has; nobody can get it back from the hash.
        let trace_id = hash(&[&deployment.page_key, "trace"])[..16].to_vec();
        Self { deployment, mask, trace_id, spans: Vec::new() }
    }

    fn all(mut self, stages: &[StageRecord], work: &[Work]) -> Vec<Span> {
        let ended_ms = self.deployment.ended_ms.unwrap_or(self.deployment.created_ms);
        // A fetch may have begun before there was a deployment.
        let begun_ms = work.iter().map(|one| one.started_ms).fold(self.deployment.created_ms, i64::min);
        let root = self.root((begun_ms, ended_ms));
        let waited_until = self.deployment.started_ms.unwrap_or(ended_ms);
        let waiting = (self.deployment.created_ms, waited_until);
        self.add("queue", "wait in the queue", Some(root), waiting, Vec::new(), Ending::Unsaid);
        let mut of_stages = Vec::new();
        for stage in stages {
            let word = stage.stage.word();
            let outcome = stage.outcome.as_deref().unwrap_or_default();
            let ending = match outcome {
                "done" => Ending::Well,
                "failed" | "rolled_back" => Ending::Badly(String::new()),
                _ => Ending::Unsaid,
            };
            let time = (stage.started_ms, stage.ended_ms.unwrap_or(ended_ms));
            let id = self.add(word, word, Some(root), time, vec![text("launchway.outcome", outcome)], ending);
            of_stages.push((stage.started_ms, word, id));
        }
        // The stage that had begun last when the work did.
        let stage_of = |work: &Work| of_stages.iter().rev().find(|(started, ..)| *started <= work.started_ms);
        let mut parts: BTreeMap<(&str, &ComponentName), Part> = BTreeMap::new();
        let mut pieces: Vec<(SpanId, &Work)> = Vec::new();
        for one in work {
            match (stage_of(one), &one.component) {
                (Some((_, stage, id)), Some(component)) => {
                    let part = parts.entry((stage, component)).or_insert(Part { of: *id, work: Vec::new() });
                    part.work.push(one);
                }
                (Some((_, _, id)), None) => pieces.push((*id, one)),
                (None, _) => pieces.push((root, one)),
            }
        }
        for ((stage, component), part) in parts {
            let attributes = vec![text("launchway.component", component.as_str())];
            let key = format!("{stage}/{component}");
            let id = self.add(&key, component.as_str(), Some(part.of), part.time(), attributes, part.ending());
            pieces.extend(part.work.into_iter().map(|one| (id, one)));
        }
        for (index, (parent, one)) in pieces.into_iter().enumerate() {
            self.piece(index, parent, one);
        }
        self.spans
    }

    fn root(&mut self, time: (i64, i64)) -> SpanId {
        let deployment = self.deployment;
        let mut attributes = vec![
            text("deployment.id", &deployment.id.to_string()),
            text("deployment.environment.name", deployment.environment.as_str()),
            text("launchway.project", deployment.project.as_str()),
            text("launchway.outcome", deployment.state.word()),
            text("launchway.trigger", deployment.trigger.word()),
            text("vcs.ref.head.revision", deployment.commit.as_str()),
        ];
        if let Some(reference) = &deployment.reference {
            attributes.push(text("vcs.ref.head.name", &Quoted(reference).to_string()));
        }
        let ending = match deployment.state {
            DeploymentState::Succeeded => Ending::Well,
            DeploymentState::Failed | DeploymentState::RolledBack => Ending::Badly(deployment.description.clone()),
            _ => Ending::Unsaid,
        };
        let name = format!("deploy {}/{}", deployment.project, deployment.environment);
        self.add("deployment", &name, None, time, attributes, ending)
    }

    fn piece(&mut self, index: usize, parent: SpanId, work: &Work) {
        let mut attributes =
            vec![text("launchway.work", work.kind.word()), text("launchway.outcome", work.outcome.word())];
        attributes.extend(work.component.as_ref().map(|name| text("launchway.component", name.as_str())));
        let detail = &work.detail;
        attributes.extend(detail.steps.map(|steps| number("launchway.build.steps", steps.into())));
        attributes.extend(detail.cached.map(|steps| number("launchway.build.cached_steps", steps.into())));
        let bytes = detail.context_bytes.and_then(|bytes| i64::try_from(bytes).ok());
        attributes.extend(bytes.map(|bytes| number("launchway.build.context_bytes", bytes)));
        let ending = match work.outcome {
            WorkOutcome::Done => Ending::Well,
            WorkOutcome::Failed => Ending::Badly(String::new()),
            WorkOutcome::Cancelled => Ending::Unsaid,
        };
        let name = match work.kind {
            // The subject says what it is: a network, a volume, a route.
            WorkKind::Other => work.subject.clone(),
            kind if work.subject.is_empty() => kind.to_string(),
            kind => format!("{kind} {}", Quoted(&work.subject)),
        };
        let time = (work.started_ms, work.ended_ms);
        self.add(&format!("work {index}"), &name, Some(parent), time, attributes, ending);
    }

    /// Returns the span's id. `key` is what no other span of the trace has.
    fn add(
        &mut self,
        key: &str,
        name: &str,
        parent: Option<SpanId>,
        (start_ms, end_ms): (i64, i64),
        mut attributes: Vec<KeyValue>,
        ending: Ending,
    ) -> SpanId {
        let [a, b, c, d, e, f, g, h, ..] = hash(&[&self.deployment.page_key, "span", key]);
        let id = [a, b, c, d, e, f, g, h];
        for attribute in &mut attributes {
            if let Some(AnyValue { value: Some(Value::StringValue(value)) }) = &mut attribute.value {
                *value = self.mask.sentence(value);
            }
        }
        let status = match ending {
            Ending::Well => Some(Status { code: StatusCode::Ok.into(), message: String::new() }),
            Ending::Badly(why) => Some(Status { code: StatusCode::Error.into(), message: self.mask.sentence(&why) }),
            Ending::Unsaid => None,
        };
        self.spans.push(Span {
            trace_id: self.trace_id.clone(),
            span_id: id.to_vec(),
            parent_span_id: parent.map(Vec::from).unwrap_or_default(),
            name: self.mask.sentence(name),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(start_ms),
            // A clock that was set back makes no span that ends before it begins.
            end_time_unix_nano: nanos(end_ms.max(start_ms)),
            attributes,
            status,
            ..Span::default()
        });
        id
    }
}

/// The work of one component in one stage.
struct Part<'a> {
    of: SpanId,
    work: Vec<&'a Work>,
}

impl Part<'_> {
    fn time(&self) -> (i64, i64) {
        let start = self.work.iter().map(|one| one.started_ms).min();
        let end = self.work.iter().map(|one| one.ended_ms).max();
        (start.unwrap_or_default(), end.unwrap_or_default())
    }

    fn ending(&self) -> Ending {
        let any = |outcome| self.work.iter().any(|one| one.outcome == outcome);
        match (any(WorkOutcome::Failed), any(WorkOutcome::Cancelled)) {
            (true, _) => Ending::Badly(String::new()),
            (false, true) => Ending::Unsaid,
            (false, false) => Ending::Well,
        }
    }
}

enum Ending {
    Well,
    /// Why, where it is known.
    Badly(String),
    /// Cancelled or superseded: neither.
    Unsaid,
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_string()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_string(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommitId, DeploymentId, EnvironmentName, ProjectName, Secret, Stage, WorkDetail};
    use crate::store::Trigger;

    fn deployment() -> Deployment {
        Deployment {
            id: DeploymentId(7),
            number: 3,
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            commit: CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap(),
            subject: String::new(),
            reference: None,
            trigger: Trigger::Push,
            asked_by: String::new(),
            delivery: None,
            release: None,
            previous: None,
            state: DeploymentState::Failed,
            description: "it said hunter2".to_string(),
            page_key: "key".to_string(),
            rebuild: false,
            pull: false,
            now_reason: None,
            fresh_volumes: Vec::new(),
            asks: Vec::new(),
            last_lines: Default::default(),
            approved_by: None,
            cancelled_by: None,
            plan: String::new(),
            touched: false,
            host_fault: false,
            deaths: 0,
            created_ms: 1_000,
            started_ms: Some(2_000),
            ended_ms: Some(9_000),
        }
    }

    fn work(kind: WorkKind, component: Option<&str>, subject: &str, (started_ms, ended_ms): (i64, i64)) -> Work {
        Work {
            deployment: DeploymentId(7),
            component: component.map(|name| ComponentName::new(name).unwrap()),
            kind,
            subject: subject.to_string(),
            started_ms,
            ended_ms,
            outcome: WorkOutcome::Done,
            detail: WorkDetail::default(),
        }
    }

    fn stage(stage: Stage, started_ms: i64, ended_ms: i64) -> StageRecord {
        StageRecord { stage, started_ms, ended_ms: Some(ended_ms), outcome: Some("done".to_string()), log_offset: 0 }
    }

    fn made(work: &[Work]) -> Vec<Span> {
        let stages = [stage(Stage::Prepare, 2_000, 3_000), stage(Stage::Build, 3_000, 8_000)];
        let mask = Mask::new([&Secret::new("hunter2")]);
        request(&deployment(), &stages, work, &mask).resource_spans.remove(0).scope_spans.remove(0).spans
    }

    /// `name < name of its parent, seconds`
    fn lines(spans: &[Span]) -> Vec<String> {
        let name = |id: &[u8]| spans.iter().find(|span| span.span_id == id).map_or("", |span| span.name.as_str());
        let second = |nanos: u64| nanos as f64 / 1e9;
        let line = |span: &Span| {
            let (from, to) = (second(span.start_time_unix_nano), second(span.end_time_unix_nano));
            format!("{} < {}, {from} to {to}", span.name, name(&span.parent_span_id))
        };
        spans.iter().map(line).collect()
    }

    #[test]
    fn work_is_below_its_component_in_the_stage_that_had_begun_and_else_below_the_deployment() {
        let spans = made(&[
            work(WorkKind::Fetch, None, "acme/shop", (500, 900)),
            work(WorkKind::Build, Some("web"), "shop/web:1", (3_100, 5_000)),
            work(WorkKind::Build, Some("api"), "shop/api:1", (3_100, 4_000)),
            work(WorkKind::Pull, Some("web"), "busybox", (3_050, 3_100)),
        ]);
        insta::assert_snapshot!(lines(&spans).join("\n"), @r"
        deploy shop/production < , 0.5 to 9
        wait in the queue < deploy shop/production, 1 to 2
        prepare < deploy shop/production, 2 to 3
        build < deploy shop/production, 3 to 8
        api < build, 3.1 to 4
        web < build, 3.05 to 5
        fetch acme/shop < deploy shop/production, 0.5 to 0.9
        build shop/api:1 < api, 3.1 to 4
        build shop/web:1 < web, 3.1 to 5
        pull busybox < web, 3.05 to 3.1
        ");
    }

    #[test]
    fn a_secret_is_in_no_text() {
        let spans = made(&[work(WorkKind::Build, Some("web"), "at hunter2", (3_100, 5_000))]);
        assert!(!format!("{spans:?}").contains("hunter2"), "{spans:?}");
        let status = spans[0].status.as_ref().unwrap();
        assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "it said ***"));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_span_that_ends_before_it_begins() {
        let spans = made(&[work(WorkKind::Build, Some("web"), "", (5_000, 4_000))]);
        assert!(spans.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano), "{spans:?}");
    }

    #[test]
    fn the_same_deployment_has_the_same_ids_and_another_one_others() {
        let ids = |spans: &[Span]| spans.iter().map(|span| span.span_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&made(&[])), ids(&made(&[])));
        let other = Deployment { page_key: "another".to_string(), ..deployment() };
        let spans = Spans::new(&other, &Mask::default()).all(&[], &[]);
        assert!(spans.iter().all(|span| !ids(&made(&[])).contains(&span.span_id)));
    }
}
