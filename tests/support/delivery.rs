//! Deliveries as each forge sends and signs them.

use super::texts::{Reader, Texts};
use super::world::{SECRET, World};
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use launchway::model::{CommitId, ForgeKind};
use serde_json::{Value, json};
use std::sync::Arc;

/// The id of the repository on every forge.
pub const REPOSITORY_ID: i64 = 4711;
const NOTHING: &str = "0000000000000000000000000000000000000000";

#[derive(Clone)]
pub struct Delivery {
    url: String,
    kind: ForgeKind,
    event: String,
    pub id: String,
    pub body: Value,
    form: bool,
    content_type: Option<String>,
    secret: String,
    signing_token: Option<String>,
    texts: Arc<Texts>,
}

impl Delivery {
    /// An event of the story's forge at the project's hook, signed with its secret.
    pub fn new(world: &World, event: &str, body: Value) -> Self {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).unwrap();
        Self {
            url: world.hook_url(),
            kind: world.forge.as_ref().map_or(ForgeKind::Plain, |forge| forge.kind),
            event: event.into(),
            id: format!("d-{}", hex::encode(random)),
            body,
            form: false,
            content_type: None,
            secret: SECRET.into(),
            signing_token: None,
            texts: world.texts.clone(),
        }
    }

    /// A push to main of a commit whose message is not told.
    pub fn push(world: &World, commit: &CommitId) -> Self {
        Self::push_to(world, "refs/heads/main", commit)
    }

    pub fn push_to(world: &World, reference: &str, commit: &CommitId) -> Self {
        let kind = world.forge.as_ref().map_or(ForgeKind::Plain, |forge| forge.kind);
        let name = world.forge.as_ref().map_or("octo/shop", |forge| forge.repository());
        let is_tag = reference.starts_with("refs/tags/");
        let head = json!({ "id": commit.as_str(), "message": "Said by the forge" });
        let (event, body) = match kind {
            ForgeKind::GitLab => (
                if is_tag { "Tag Push Hook" } else { "Push Hook" },
                json!({
                    "object_kind": if is_tag { "tag_push" } else { "push" },
                    "ref": reference, "before": NOTHING, "after": commit.as_str(), "checkout_sha": commit.as_str(),
                    "project_id": REPOSITORY_ID, "project": { "id": REPOSITORY_ID, "path_with_namespace": name },
                    "user_username": "ada", "commits": [head],
                }),
            ),
            _ => (
                "push",
                json!({
                    "ref": reference, "before": NOTHING, "after": commit.as_str(), "head_commit": head,
                    "repository": { "id": REPOSITORY_ID, "full_name": name }, "sender": { "login": "ada" },
                }),
            ),
        };
        Self::new(world, event, body)
    }

    /// Where the ref was before.
    pub fn from(mut self, before: &CommitId) -> Self {
        self.body["before"] = json!(before.as_str());
        self
    }

    /// At the hook of another project.
    pub fn at(mut self, world: &World, project: &str) -> Self {
        self.url = format!("http://127.0.0.1:{}/hooks/{project}", world.port);
        self
    }

    pub fn id(mut self, id: &str) -> Self {
        self.id = id.into();
        self
    }

    pub fn signed_with(mut self, secret: &str) -> Self {
        self.secret = secret.into();
        self
    }

    /// GitLab's newer proof.
    pub fn signing_token(mut self, token: &str) -> Self {
        self.signing_token = Some(token.into());
        self
    }

    pub fn form(mut self) -> Self {
        self.form = true;
        self
    }

    pub fn content_type(mut self, text: &str) -> Self {
        self.content_type = Some(text.into());
        self
    }

    /// Sends it: the answer's status and body.
    pub async fn send(&self) -> (u16, Value) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let json = self.body.to_string();
        let body = match self.form {
            true => url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish(),
            false => json.clone(),
        };
        let usual = if self.form { "application/x-www-form-urlencoded" } else { "application/json" };
        let content_type = self.content_type.as_deref().unwrap_or(usual);
        let mut request = reqwest::Client::new().post(&self.url).header("content-type", content_type);
        for (name, value) in self.headers(&body, &json) {
            request = request.header(name, value);
        }
        let answer = request.body(body).timeout(super::world::PATIENCE).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        self.texts.read(Reader::Author, "the answer to a delivery", &body);
        (status, serde_json::from_str(&body).unwrap())
    }

    fn headers(&self, body: &str, json: &str) -> Vec<(&'static str, String)> {
        let (event, id) = (self.event.clone(), self.id.clone());
        let signed = |text: &str| hex::encode(mac(self.secret.as_bytes(), text));
        match (self.kind, &self.signing_token) {
            (ForgeKind::GitHub | ForgeKind::Plain, _) => vec![
                ("X-GitHub-Event", event),
                ("X-GitHub-Delivery", id),
                ("X-Hub-Signature-256", format!("sha256={}", signed(body))),
            ],
            (ForgeKind::GitLab, None) => vec![
                ("X-Gitlab-Event", event),
                ("Idempotency-Key", id.clone()),
                ("X-Gitlab-Event-UUID", format!("uuid-{id}")),
                ("X-Gitlab-Token", self.secret.clone()),
            ],
            (ForgeKind::GitLab, Some(token)) => {
                let key = base64::engine::general_purpose::STANDARD.decode(token.trim_start_matches("whsec_")).unwrap();
                let now = jiff::Timestamp::now().as_second();
                let code = mac(&key, &format!("{id}.{now}.{body}"));
                let code = base64::engine::general_purpose::STANDARD.encode(code);
                vec![
                    ("X-Gitlab-Event", event),
                    ("webhook-id", id),
                    ("webhook-timestamp", now.to_string()),
                    ("webhook-signature", format!("v1,{code}")),
                ]
            }
            (ForgeKind::Gitea, _) => vec![
                ("X-Gitea-Event", event.clone()),
                ("X-GitHub-Event", event),
                ("X-Gitea-Delivery", id),
                ("X-Gitea-Signature", signed(json)),
            ],
            (ForgeKind::Forgejo, _) => vec![
                ("X-Forgejo-Event", event.clone()),
                ("X-Gitea-Event", event),
                ("X-Forgejo-Delivery", id),
                ("X-Forgejo-Signature", signed(json)),
            ],
        }
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
