//! What GitLab answers to a status: jobs of pipelines and their transitions, after create_commit_status_service.rb.

use super::server::{FakeForge, Kept, Request, TOKEN, World};
use launchway::model::CommitId;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// A pipeline of a commit, the newest last.
pub struct Pipeline {
    id: i64,
    sha: String,
    reference: String,
    jobs: Vec<Row>,
}

/// A job that stands for a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: i64,
    pub pipeline: i64,
    pub name: String,
    pub status: String,
    pub description: String,
    pub target_url: Option<String>,
    /// A newer job of the same name stands in its place.
    pub retried: bool,
}

impl FakeForge {
    /// GitLab's own CI begins a pipeline for the commit: from now on the newest.
    pub fn begin_pipeline(&self, commit: &CommitId, reference: &str) -> i64 {
        let mut pipelines = self.world.pipelines.lock().unwrap();
        begin(&self.world, &mut pipelines, commit.as_str(), reference)
    }

    /// A job of the commit's CI, which is no status.
    pub fn add_ci_job(&self, commit: &CommitId, name: &str) {
        let pipeline = self.begin_pipeline(commit, "main");
        let mut pipelines = self.world.pipelines.lock().unwrap();
        let pipeline = pipelines.iter_mut().find(|p| p.id == pipeline).unwrap();
        let (id, status) = (-1, "running".to_string());
        let (description, target_url) = (String::new(), None);
        pipeline.jobs.push(Row {
            id,
            pipeline: pipeline.id,
            name: name.into(),
            status,
            description,
            target_url,
            retried: false,
        });
    }

    /// What people see of a commit: the latest status of each name in each pipeline.
    pub fn shown(&self, commit: &CommitId) -> Vec<Row> {
        let pipelines = self.world.pipelines.lock().unwrap();
        let of_commit = pipelines.iter().filter(|pipeline| pipeline.sha == commit.as_str());
        of_commit.flat_map(|pipeline| &pipeline.jobs).filter(|row| !row.retried).cloned().collect()
    }
}

pub fn answer(world: &World, request: &Request) -> (u16, Value) {
    let message = |status: u16, text: &str| (status, json!({ "message": text }));
    if request.header("private-token") != Some(TOKEN) {
        return message(401, "401 Unauthorized");
    }
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let ["projects", project, rest @ ..] = &path[..] else { return message(404, "404 Not Found") };
    if *project != world.repository && *project != "7" {
        return message(404, "404 Project Not Found");
    }
    if world.without_scope.load(Ordering::SeqCst) {
        return message(403, "403 Forbidden");
    }
    let (method, sha) = match rest {
        ["statuses", sha] | ["repository", "commits", sha, "statuses"] => (request.method.as_str(), *sha),
        _ => return message(404, "404 Not Found"),
    };
    if !world.commits.lock().unwrap().contains(sha) {
        return message(404, "404 Commit Not Found");
    }
    match (method, rest[0]) {
        ("POST", "statuses") => create(world, request, sha),
        ("GET", "repository") => list(world, request, sha),
        _ => message(405, "405 Not Allowed"),
    }
}

fn list(world: &World, request: &Request, sha: &str) -> (u16, Value) {
    let asked = |key: &str| request.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let pipelines = world.pipelines.lock().unwrap();
    let rows = pipelines
        .iter()
        .filter(|pipeline| pipeline.sha == sha && asked("ref").is_none_or(|reference| reference == pipeline.reference))
        .flat_map(|pipeline| pipeline.jobs.iter().map(move |row| (pipeline, row)))
        .filter(|(_, row)| !row.retried && asked("name").is_none_or(|name| name == row.name))
        .map(|(pipeline, row)| shown(pipeline, row))
        .collect();
    (200, Value::Array(rows))
}

fn create(world: &World, request: &Request, sha: &str) -> (u16, Value) {
    let message = |status: u16, text: &str| (status, json!({ "message": text }));
    let refused = world.description.refuses(&request.body);
    if !refused.is_empty() {
        return message(400, &refused.join(", "));
    }
    let mut pipelines = world.pipelines.lock().unwrap();
    let asked = request.body.get("pipeline_id").and_then(Value::as_i64);
    let reference = request.text("ref");
    let found = pipelines.iter().rposition(|pipeline| {
        pipeline.sha == sha
            && reference.is_none_or(|reference| reference == pipeline.reference)
            && asked.is_none_or(|id| id == pipeline.id)
    });
    let index = match (found, asked) {
        (Some(index), _) => index,
        (None, Some(_)) => return message(404, "404 Pipeline for pipeline_id, sha and ref Not Found"),
        (None, None) => {
            begin(world, &mut pipelines, sha, reference.unwrap_or("main"));
            pipelines.len() - 1
        }
    };
    let pipeline = &mut pipelines[index];
    let name = request.text("name").or(request.text("context")).unwrap_or("default");
    if pipeline.jobs.iter().any(|row| row.name == name && row.id < 0) {
        return (400, json!({ "message": { "name": ["has already been taken"] } }));
    }
    let unfinished = |row: &&Row| row.name == name && matches!(row.status.as_str(), "pending" | "running");
    let mut row = pipeline.jobs.iter().rfind(unfinished).cloned().unwrap_or_else(|| Row {
        id: world.ids.fetch_add(1, Ordering::SeqCst),
        pipeline: pipeline.id,
        name: name.into(),
        status: "created".into(),
        description: String::new(),
        target_url: None,
        retried: false,
    });
    row.status = match moved(&row.status, request.text("state").unwrap_or_default()) {
        Ok(status) => status.into(),
        Err(event) => {
            let text = format!(
                "Cannot transition status via :{event} from :{} (Reason(s): Status cannot transition via \"{event}\")",
                row.status
            );
            return message(400, &text);
        }
    };
    row.description = request.text("description").unwrap_or_default().into();
    row.target_url = request.text("target_url").map(Into::into);
    for older in pipeline.jobs.iter_mut().filter(|older| older.name == name && older.id != row.id) {
        older.retried = true;
    }
    pipeline.jobs.retain(|older| older.id != row.id);
    pipeline.jobs.push(row.clone());
    world.kept.lock().unwrap().push(Kept {
        sha: sha.into(),
        context: name.into(),
        state: row.status.clone(),
        description: row.description.clone(),
        target_url: row.target_url.clone(),
    });
    (201, shown(pipeline, &row))
}

/// The state after the call's event, or the event that the state machine refuses (commit_status.rb).
fn moved(from: &str, state: &str) -> Result<&'static str, &'static str> {
    match (state, from) {
        ("pending", "created") => Ok("pending"),
        ("pending", _) => Err("enqueue"),
        // `enqueue` is tried first, and may fail.
        ("running", "created" | "pending") => Ok("running"),
        ("running", _) => Err("run"),
        ("success", _) => Ok("success"),
        ("failed", _) => Ok("failed"),
        ("canceled", _) => Ok("canceled"),
        _ => Err("skip"),
    }
}

fn begin(world: &World, pipelines: &mut Vec<Pipeline>, sha: &str, reference: &str) -> i64 {
    let id = 1000 + world.ids.fetch_add(1, Ordering::SeqCst);
    pipelines.push(Pipeline { id, sha: sha.into(), reference: reference.into(), jobs: Vec::new() });
    id
}

fn shown(pipeline: &Pipeline, row: &Row) -> Value {
    json!({
        "id": row.id,
        "sha": pipeline.sha,
        "ref": pipeline.reference,
        "status": row.status,
        "name": row.name,
        "description": row.description,
        "target_url": row.target_url,
        "pipeline_id": pipeline.id,
        "allow_failure": false,
        "created_at": "2026-08-05T12:00:00.000Z",
    })
}
