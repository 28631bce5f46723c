//! What the engine says while it builds, as lines for people.

use crate::model::{Lines, Mask, WorkDetail};
use bollard::grpc::export::moby::buildkit::v1::{StatusResponse, Vertex};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// One line of a build's output, secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLine {
    /// By the engine's clock.
    pub time: jiff::Timestamp,
    /// The step that it is about, as BuildKit names it: `[build 2/4] RUN make`.
    pub step: String,
    pub kind: BuildLineKind,
    pub text: String,
}

/// What a line of a build's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildLineKind {
    Started,
    /// The step's result was there already.
    Cached,
    /// What the step itself wrote.
    Output,
    /// The step ended well.
    Done,
    Failed,
    Warning,
}

/// Lines kept of each step for the error message.
const LAST_LINES: usize = 20;
/// A line without an end is cut here.
const MAX_LINE_BYTES: usize = 16 * 1024;

pub(super) struct BuildProgress<'a> {
    mask: &'a Mask,
    output: &'a (dyn Fn(BuildLine) + Send + Sync),
    steps: HashMap<String, Step>,
    /// Digests in the order in which the steps were first seen.
    order: Vec<String>,
    /// Bytes sent of each context, by BuildKit's name of the transfer.
    sent: HashMap<(String, String), u64>,
}

#[derive(Default)]
struct Step {
    name: String,
    started: bool,
    ended: bool,
    cached: bool,
    error: String,
    /// The unfinished line of each stream.
    partial: BTreeMap<i64, Lines>,
    last_lines: VecDeque<String>,
    last_time: jiff::Timestamp,
    started_at: Option<jiff::Timestamp>,
}

impl<'a> BuildProgress<'a> {
    pub(super) fn new(mask: &'a Mask, output: &'a (dyn Fn(BuildLine) + Send + Sync)) -> Self {
        Self { mask, output, steps: HashMap::new(), order: Vec::new(), sent: HashMap::new() }
    }

    pub(super) fn take(&mut self, status: StatusResponse) {
        let StatusResponse { vertexes, statuses, logs, warnings } = status;
        for vertex in &vertexes {
            self.start(vertex);
        }
        // BuildKit calls it `transferring context:`, and tells again and again how much there is by now.
        for transfer in statuses.into_iter().filter(|status| status.id.starts_with("transferring ")) {
            let bytes = self.sent.entry((transfer.vertex, transfer.id)).or_default();
            *bytes = (*bytes).max(u64::try_from(transfer.current).unwrap_or(0));
        }
        for log in logs {
            let time = log.timestamp.and_then(|t| timestamp(t.seconds, t.nanos));
            self.log(&log.vertex, time, log.stream, &log.msg);
        }
        for vertex in &vertexes {
            self.end(vertex);
        }
        for warning in warnings {
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            let time = jiff::Timestamp::now();
            self.line(&warning.vertex, time, BuildLineKind::Warning, text);
        }
    }

    fn start(&mut self, vertex: &Vertex) {
        let started = vertex.started.and_then(|t| timestamp(t.seconds, t.nanos));
        if !self.steps.contains_key(&vertex.digest) {
            self.order.push(vertex.digest.clone());
        }
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name = self.mask.apply(&vertex.name);
        let Some(started) = started else { return };
        if step.started {
            return;
        }
        step.started = true;
        step.started_at = Some(started);
        step.last_time = started;
        // A step that was cached begins and ends at once; one line is enough.
        if !vertex.cached {
            self.line(&vertex.digest, started, BuildLineKind::Started, String::new());
        }
    }

    fn end(&mut self, vertex: &Vertex) {
        let Some(time) = vertex.completed.and_then(|t| timestamp(t.seconds, t.nanos)) else { return };
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        if step.ended {
            return;
        }
        step.ended = true;
        step.cached = vertex.cached;
        step.error = self.mask.apply(&vertex.error);
        let duration = step.started_at.map(|started| time.duration_since(started).as_secs_f64().max(0.0));
        let (kind, text) = match (step.error.is_empty(), vertex.cached) {
            (false, _) => (BuildLineKind::Failed, step.error.clone()),
            (true, true) => (BuildLineKind::Cached, String::new()),
            (true, false) => (BuildLineKind::Done, duration.map(|s| format!("{s:.1} s")).unwrap_or_default()),
        };
        self.flush(&vertex.digest, time);
        self.line(&vertex.digest, time, kind, text);
    }

    fn log(&mut self, digest: &str, time: Option<jiff::Timestamp>, stream: i64, bytes: &[u8]) {
        let step = self.steps.entry(digest.to_string()).or_default();
        let time = time.unwrap_or(step.last_time);
        step.last_time = time;
        let partial = step.partial.entry(stream).or_insert_with(|| Lines::new(MAX_LINE_BYTES));
        let mut lines = Vec::new();
        partial.push(bytes, self.mask, &mut |line: &str| lines.push(line.to_string()));
        for line in lines {
            self.output_line(digest, time, &line);
        }
    }

    /// What was written without a newline at the end.
    fn flush(&mut self, digest: &str, time: jiff::Timestamp) {
        let Some(step) = self.steps.get_mut(digest) else { return };
        let mut lines = Vec::new();
        for partial in step.partial.values_mut() {
            partial.end(&mut |line: &str| lines.push(line.to_string()));
        }
        for line in lines {
            self.output_line(digest, time, &line);
        }
    }

    fn output_line(&mut self, digest: &str, time: jiff::Timestamp, line: &str) {
        // Progress bars rewrite their line: what stands last is what was meant to be read.
        let text = line.trim_end_matches('\r');
        let text = self.mask.apply(text.rsplit('\r').next().unwrap_or(text));
        if let Some(step) = self.steps.get_mut(digest) {
            if step.last_lines.len() == LAST_LINES {
                step.last_lines.pop_front();
            }
            step.last_lines.push_back(text.clone());
        }
        self.line(digest, time, BuildLineKind::Output, text);
    }

    fn line(&self, digest: &str, time: jiff::Timestamp, kind: BuildLineKind, text: String) {
        let step = self.steps.get(digest).map(|step| step.name.clone()).unwrap_or_default();
        (self.output)(BuildLine { time, step, kind, text: self.mask.apply(&text) });
    }

    fn in_order(&self) -> impl Iterator<Item = &Step> {
        self.order.iter().filter_map(|digest| self.steps.get(digest))
    }

    /// The step that failed, and the end of its output. Others fail with it only because they were cancelled.
    pub(super) fn failed_step(&self) -> Option<(String, Vec<String>)> {
        let failed: Vec<&Step> = self.in_order().filter(|step| !step.error.is_empty()).collect();
        let own = failed.iter().find(|step| !step.error.contains("context canceled")).or(failed.first())?;
        Some((own.name.clone(), own.last_lines.iter().cloned().collect()))
    }

    /// What is being done now.
    pub(super) fn current_step(&self) -> Option<String> {
        self.in_order().find(|step| step.started && !step.ended).map(|step| step.name.clone())
    }

    /// Whether no step of the Dockerfile had to be carried out.
    pub(super) fn all_cached(&self) -> bool {
        let mut steps = self.in_order().filter(|step| is_dockerfile_step(&step.name)).peekable();
        steps.peek().is_some() && steps.all(|step| step.cached)
    }

    /// How much of the build was there already. A context counts with what the engine asked for of it: what it still had
    /// of an earlier build is not sent.
    pub(super) fn detail(&self) -> WorkDetail {
        let steps: Vec<&Step> = self.in_order().filter(|step| is_dockerfile_step(&step.name)).collect();
        let count = |number: usize| Some(u32::try_from(number).unwrap_or(u32::MAX));
        let is_context =
            |digest: &str| self.steps.get(digest).is_some_and(|step| step.name.ends_with("load build context"));
        // BuildKit tells of steps in an order of its own; each begins only once what it builds on is there.
        let first = steps.iter().filter(|step| step.started && !step.cached).min_by_key(|step| step.started_at);
        WorkDetail {
            steps: count(steps.len()),
            cached: count(steps.iter().filter(|step| step.cached).count()),
            context_bytes: Some(self.sent.iter().filter(|((digest, _), _)| is_context(digest)).map(|(_, n)| n).sum()),
            invalidated_at: first.and_then(|step| step.name.split_once("] ")).map(|(_, written)| written.to_string()),
            disk_bytes: None,
        }
    }

    /// The images that the build began with: as the Dockerfile names them, and by digest where the engine said it.
    pub(super) fn bases(&self) -> BTreeMap<String, Option<String>> {
        let mut bases = BTreeMap::new();
        for step in self.in_order() {
            let Some((_, reference)) = step.name.split_once("] FROM ") else { continue };
            let reference = reference.split_whitespace().next().unwrap_or_default();
            let (name, digest) = match reference.split_once('@') {
                Some((name, digest)) => (name, Some(digest.to_string())),
                None => (reference, None),
            };
            bases.insert(name.to_string(), digest);
        }
        bases
    }
}

/// `[2/3] RUN make`, `[build 2/3] COPY . .`; not `[internal] ...`, `FROM`, nor the export.
fn is_dockerfile_step(name: &str) -> bool {
    let Some((position, rest)) = name.strip_prefix('[').and_then(|name| name.split_once("] ")) else { return false };
    position.contains('/') && !rest.starts_with("FROM ")
}

fn timestamp(seconds: i64, nanoseconds: i32) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(seconds, nanoseconds).ok()
}
