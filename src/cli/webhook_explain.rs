//! `launchway webhook explain`: what Launchway would make of a delivery, without a server.

use super::look;
use crate::forge::{self, InvalidDelivery, SignatureVerdict};
use crate::model::{CommitId, Event, EventKind, ForgeKind, Secret, plain, plain_line};
use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what a webhook delivery says and whether its signature is right
///
/// Prints kind (push, tag, delete, ping, ignored or invalid), ref, before, after, commit (what would be deployed),
/// repository, signature (valid, invalid or absent) and reason. An object id that does not exist, because the ref is
/// new or gone, is all zeros; what the delivery does not say is null. Exits 0 once it has explained, whatever it found,
/// and 1 where a file cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who sent it: github, gitlab, gitea, forgejo or plain
    #[arg(long)]
    forge: ForgeKind,
    /// The event's name as the forge writes it, such as `push` or `Push Hook`; taken from the headers where absent
    #[arg(long)]
    event: Option<String>,
    /// File with the body exactly as it came; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// JSON file with the request's headers: {"X-GitHub-Event": "push", ...}; a list as value is a repeated header
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// The hook's secret; for GitLab the secret token, or the signing token (whsec_...)
    #[arg(long, env = "LAUNCHWAY_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// When it came, such as 2026-11-24T08:00:00Z; now where absent. GitLab's signed deliveries are valid for 5 minutes
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One delivery, explained.
#[derive(Debug, Serialize)]
struct Explanation {
    kind: &'static str,
    #[serde(rename = "ref")]
    reference: Option<String>,
    before: Option<String>,
    after: Option<String>,
    commit: Option<String>,
    repository: Option<String>,
    signature: &'static str,
    reason: Option<String>,
}

/// Explains one delivery on standard output.
///
/// # Errors
/// A file that cannot be read, or headers that are none.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    for explained in explain(&args)? {
        if args.json {
            look::print_json_line(&explained)?;
        } else {
            look::print(&explained.text())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One for each change of a ref that the delivery tells.
fn explain(args: &Args) -> anyhow::Result<Vec<Explanation>> {
    let body = if args.body.as_os_str() == "-" { standard_input() } else { std::fs::read(&args.body) }
        .with_context(|| format!("cannot read the body from {}", args.body.display()))?;
    let mut headers = match &args.headers {
        Some(path) => {
            let text =
                std::fs::read(path).with_context(|| format!("cannot read the headers from {}", path.display()))?;
            header_map(&text).with_context(|| format!("cannot use the headers in {}", path.display()))?
        }
        None => HeaderMap::new(),
    };
    if let Some(event) = &args.event {
        for name in forge::event_headers(args.forge) {
            headers.remove(*name);
        }
        let value = HeaderValue::from_str(event).with_context(|| format!("{event:?} cannot be an event's name"))?;
        headers.insert(forge::default_event_header(args.forge), value);
    }
    let secret = args.secret.as_deref().map(Secret::new);
    let proof = secret.map(|secret| forge::proof_of(args.forge, secret, &headers)).unwrap_or_default();
    let now = args.at.unwrap_or_else(jiff::Timestamp::now);
    let verdict = forge::verify(args.forge, &headers, &body, &proof, now);
    Ok(match forge::read(args.forge, &headers, &body) {
        Ok(events) => events.into_iter().map(|event| Explanation::new(Ok(event), verdict.clone())).collect(),
        Err(invalid) => vec![Explanation::new(Err(invalid), verdict)],
    })
}

fn standard_input() -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut body)?;
    Ok(body)
}

fn header_map(json: &[u8]) -> anyhow::Result<HeaderMap> {
    use serde_json::Value;
    let pairs: serde_json::Map<String, Value> =
        serde_json::from_slice(json).context("they should be one JSON object: {\"X-GitHub-Event\": \"push\", ...}")?;
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let header = HeaderName::try_from(&name).with_context(|| format!("{name:?} is not a header's name"))?;
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                other => anyhow::bail!("the value of {name} should be text, not {other}"),
            };
            let value = HeaderValue::from_bytes(text.as_bytes())
                .with_context(|| format!("the value of {name} cannot stand in a header"))?;
            headers.append(header.clone(), value);
        }
    }
    Ok(headers)
}

/// The forges' way to write that there is no such object, as long as the id beside it.
fn zeros(beside: Option<&CommitId>) -> String {
    "0".repeat(beside.map_or(40, |id| id.as_str().len()))
}

impl Explanation {
    fn new(told: Result<Event, InvalidDelivery>, verdict: SignatureVerdict) -> Self {
        let mut explained = Explanation {
            kind: "invalid",
            reference: None,
            before: None,
            after: None,
            commit: None,
            repository: None,
            signature: verdict.word(),
            reason: None,
        };
        let mut reasons = Vec::new();
        match told {
            Err(invalid) => reasons.push(invalid.reason),
            Ok(event) => {
                explained.kind = event.kind.word();
                explained.repository = event.repository.map(|repository| repository.full_name);
                match event.kind {
                    EventKind::Push(change) | EventKind::Tag(change) => {
                        let before = change.before.as_ref().map(CommitId::to_string);
                        explained.before = Some(before.unwrap_or_else(|| zeros(Some(&change.after))));
                        explained.reference = Some(change.reference.into());
                        explained.after = Some(change.after.into());
                        explained.commit = Some(change.commit.into());
                    }
                    EventKind::Delete { reference, before } => {
                        explained.after = Some(zeros(before.as_ref()));
                        explained.reference = Some(reference.into());
                        explained.before = before.map(String::from);
                    }
                    EventKind::Ignored { reason } => reasons.push(reason),
                    EventKind::Ping => {}
                }
            }
        }
        if let SignatureVerdict::Invalid { reason } = verdict {
            reasons.push(format!("the signature is not accepted: {reason}"));
        }
        explained.reason = (!reasons.is_empty()).then(|| plain(&reasons.join("; ")).into_owned());
        explained
    }

    fn text(&self) -> String {
        let lines = [
            ("kind", Some(self.kind)),
            ("ref", self.reference.as_deref()),
            ("before", self.before.as_deref()),
            ("after", self.after.as_deref()),
            ("commit", self.commit.as_deref()),
            ("repository", self.repository.as_deref()),
            ("signature", Some(self.signature)),
            ("reason", self.reason.as_deref()),
        ];
        let line =
            |(name, value): (&str, Option<&str>)| value.map(|value| format!("{name:<11}{}\n", plain_line(value)));
        lines.into_iter().filter_map(line).collect()
    }
}
