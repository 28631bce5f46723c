//! Every recorded and made payload of tests/data/webhooks, and whatever else anybody could send.

use super::*;
use crate::model::{CommitId, Event, EventKind, ForgeKind, Mask};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn event_of(kind: ForgeKind, event: &str, body: &str) -> Result<Event, InvalidDelivery> {
    only(read(kind, &headers(&[(default_event_header(kind), event)]), body.as_bytes()))
}

/// The one event of forges whose deliveries tell of one change.
fn only(events: Result<Vec<Event>, InvalidDelivery>) -> Result<Event, InvalidDelivery> {
    let mut events = events?;
    assert_eq!(events.len(), 1, "{events:?}");
    Ok(events.remove(0))
}

/// A sentence as people read it.
fn told(sentence: &str) -> String {
    Mask::default().sentence(sentence)
}

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";

/// A push of GitHub's form with these fields put in.
fn push_with(fields: &str) -> String {
    format!(r#"{{"repository":{{"full_name":"o/r"}},{fields}}}"#)
}

fn zeros_of(id: &CommitId) -> String {
    "0".repeat(id.as_str().len())
}

/// The manifest's convention: an absent object id is all zeros.
fn told_ids(kind: &EventKind) -> (Option<String>, Option<String>) {
    match kind {
        EventKind::Push(change) | EventKind::Tag(change) => {
            let before = change.before.as_ref().map_or(zeros_of(&change.after), CommitId::to_string);
            (Some(before), Some(change.after.to_string()))
        }
        EventKind::Delete { before, .. } => {
            let after = before.as_ref().map_or("0".repeat(40), zeros_of);
            (before.as_ref().map(CommitId::to_string), Some(after))
        }
        _ => (None, None),
    }
}

#[test]
fn every_payload_of_the_corpus_is_read_as_its_manifest_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks");
    let manifest: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in &manifest {
        let Ok(kind) = entry["forge"].as_str().unwrap().parse::<ForgeKind>() else { continue };
        seen += 1;
        let file = entry["file"].as_str().unwrap();
        let body = std::fs::read(folder.join(file)).unwrap();
        let mut sent: Vec<(&str, &str)> = vec![("content-type", entry["content_type"].as_str().unwrap())];
        sent.extend(entry["headers"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())));
        let told = only(read(kind, &headers(&sent), &body));
        let word = told.as_ref().map_or("invalid", |event| event.kind.word());
        let expected = entry["kind"].as_str().unwrap();
        let harmless_shell_ref = file.ends_with("-bad-ref-shell.json") && word == "push";
        if word != expected && !harmless_shell_ref {
            wrong.push(format!("{file}: {word}, not {expected}: {told:?}"));
            continue;
        }
        let Ok(event) = told else { continue };
        let Some(result) = entry["results"].get(0) else { continue };
        let text = |key: &str| result[key].as_str().map(String::from);
        let (reference, commit) = match &event.kind {
            EventKind::Push(change) | EventKind::Tag(change) => {
                (change.reference.to_string(), Some(change.commit.to_string()))
            }
            EventKind::Delete { reference, .. } => (reference.to_string(), None),
            other => panic!("{file}: {other:?} has a result"),
        };
        let expected_commit = match event.kind {
            EventKind::Push(_) => text("checkout_sha").or(text("after")),
            EventKind::Tag(_) => text("checkout_sha").or(commit.clone()),
            _ => None,
        };
        let (before, after) = told_ids(&event.kind);
        let repository = event.repository.map(|repository| repository.full_name);
        let found = (Some(reference), before, after, commit, repository, event.sender);
        let wanted = (text("ref"), text("before"), text("after"), expected_commit, text("repo"), text("sender"));
        if found != wanted {
            wrong.push(format!("{file}:\n  found  {found:?}\n  wanted {wanted:?}"));
        }
        if let Some(message) = text("head_message") {
            let found = event.kind.change().and_then(|change| change.message.clone());
            if event.kind.change().is_some() && found.as_deref() != Some(message.as_str()) {
                wrong.push(format!("{file}: message {found:?}, not {message:?}"));
            }
        }
    }
    assert!(seen > 500, "only {seen} payloads were found");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_commit_of_an_annotated_tag_is_the_one_behind_the_tag_object() {
    let tag =
        push_with(&format!(r#""ref":"refs/tags/v1","after":"{NEW}","head_commit":{{"id":"{OLD}","message":"m"}}"#));
    for kind in [ForgeKind::GitHub, ForgeKind::Gitea, ForgeKind::Forgejo, ForgeKind::Plain] {
        let EventKind::Tag(change) = event_of(kind, "push", &tag).unwrap().kind else { panic!("no tag") };
        assert_eq!((change.after.as_str(), change.commit.as_str()), (NEW, OLD));
        assert_eq!((change.before, change.message.as_deref()), (None, Some("m")));
    }
    let gitlab = format!(
        r#"{{"ref":"refs/tags/v1","after":"{NEW}","checkout_sha":"{OLD}","project":{{"path_with_namespace":"g/s/p"}}}}"#
    );
    let EventKind::Tag(change) = event_of(ForgeKind::GitLab, "Tag Push Hook", &gitlab).unwrap().kind else { panic!() };
    assert_eq!((change.after.as_str(), change.commit.as_str()), (NEW, OLD));
}

#[test]
fn the_message_of_a_push_without_head_commit_is_that_of_the_listed_commit() {
    let commits =
        format!(r#""commits":[{{"id":"{NEW}","message":"Typo [skip ci]"}},{{"id":"{OLD}","message":"First"}}]"#);
    let body = push_with(&format!(r#""ref":"refs/heads/main","after":"{NEW}",{commits}"#));
    for forge in [ForgeKind::Gitea, ForgeKind::GitHub, ForgeKind::Plain] {
        let event = event_of(forge, "push", &body).unwrap();
        assert_eq!(event.kind.change().unwrap().message.as_deref(), Some("Typo [skip ci]"), "{forge}");
    }
    // Another commit's mark says nothing of this one.
    let body = push_with(&format!(r#""ref":"refs/heads/main","after":"{NEW}","commits":[{{"message":"[skip ci]"}}]"#));
    assert_eq!(event_of(ForgeKind::Gitea, "push", &body).unwrap().kind.change().unwrap().message, None);
}

#[test]
fn a_branch_push_deploys_what_the_branch_holds_now_whatever_head_commit_says() {
    let body = push_with(&format!(r#""ref":"refs/heads/main","after":"{NEW}","head_commit":{{"id":"{OLD}"}}"#));
    let EventKind::Push(change) = event_of(ForgeKind::GitHub, "push", &body).unwrap().kind else { panic!() };
    assert_eq!(change.commit.as_str(), NEW);
}

#[test]
fn refs_that_are_neither_branch_nor_tag_deploy_nothing() {
    for name in ["refs/notes/launchway", "refs/pull/1/head", "refs/merge-requests/1/head"] {
        let body = push_with(&format!(r#""ref":"{name}","after":"{NEW}""#));
        let EventKind::Ignored { reason } = event_of(ForgeKind::Plain, "push", &body).unwrap().kind else { panic!() };
        assert_eq!(told(&reason), format!("\"{name}\" is neither a branch nor a tag"));
    }
}

#[test]
fn a_deleted_ref_is_told_by_a_flag_or_by_zeros_of_either_length() {
    let sixty_four = "0".repeat(64);
    for fields in [
        format!(r#""ref":"refs/heads/x","before":"{OLD}","deleted":true"#),
        format!(r#""ref":"refs/heads/x","before":"{OLD}","deleted":true,"after":"{NEW}""#),
        format!(r#""ref":"refs/heads/x","before":"{OLD}","after":"{sixty_four}""#),
    ] {
        let event = event_of(ForgeKind::GitHub, "push", &push_with(&fields)).unwrap();
        assert_eq!(event.kind.word(), "delete", "{fields}");
    }
}

#[test]
fn what_no_forge_would_send_is_invalid_and_says_why() {
    let reason = |event: &str, body: &str| told(&event_of(ForgeKind::GitHub, event, body).unwrap_err().reason);
    let changed = |reference: &str| push_with(&format!(r#""ref":{reference},"after":"{NEW}""#));
    insta::assert_snapshot!(
        [
            reason("push", ""),
            reason("push", "[]"),
            reason("push", "null"),
            reason("push", "{"),
            reason("push", r#"["refs/heads/main","branch"]"#),
            reason("push", &push_with("\"x\":1")),
            reason("push", &changed("7")),
            reason("push", &changed(r#""--upload-pack=touch /tmp/x""#)),
            reason("push", &changed(r#""refs/heads/a\u0000b\u001b[31m""#)),
            reason("push", &changed(r#""refs/heads/a","ref":"refs/heads/b""#)),
            reason("push", &changed(r#""refs/heads/a","r\u0065f":"refs/heads/b""#)),
            reason("push", &push_with(r#""ref":"refs/heads/a""#)),
            reason("push", &push_with(r#""ref":"refs/heads/a","after":"HEAD""#)),
            reason("push", &push_with(&format!(r#""ref":"refs/heads/a","after":"{NEW}","before":[]"#))),
            reason("push", &format!(r#"{{"ref":"refs/heads/a","after":"{NEW}"}}"#)),
            reason("push", &format!(r#"{{"ref":"refs/heads/a","after":"{NEW}","repository":"o/r"}}"#)),
            reason("push", &format!(r#"{{"ref":"refs/heads/a","after":"{NEW}","repository":{{"full_name":"a\nb"}}}}"#)),
            reason("ping", "not JSON"),
            reason("", "{}"),
        ]
        .join("\n"),
        @r#"
    the payload is empty
    the payload is JSON, but not an object
    the payload is JSON, but not an object
    the payload cannot be read as JSON: EOF while parsing an object at line 1 column 1
    the payload is JSON, but not an object
    ref is missing: it should be a full ref name such as refs/heads/main
    ref is not text
    ref is "--upload-pack=touch /tmp/x", not a full ref name such as refs/heads/main, as `git check-ref-format` accepts it
    ref is "refs/heads/a\0b\u{1b}[31m", not a full ref name such as refs/heads/main, as `git check-ref-format` accepts it
    the payload cannot be read as JSON: duplicate field `ref` at line 1 column 60
    the payload cannot be read as JSON: duplicate field `ref` at line 1 column 65
    after is missing: it should be the object id that was pushed
    after is "HEAD", not 40 or 64 lower-case hex digits
    before is not text: it should be an object id
    repository.full_name is missing: it should be the repository's full name
    repository.full_name is missing: it should be the repository's full name
    repository.full_name is "a\nb", not a repository's name
    the payload cannot be read as JSON: expected ident at line 1 column 2
    the header X-GitHub-Event is missing
    "#
    );
}

#[test]
fn a_doubled_event_header_is_invalid() {
    let doubled = headers(&[("X-GitHub-Event", "push"), ("X-GitHub-Event", "ping")]);
    let error = read(ForgeKind::GitHub, &doubled, b"{}").unwrap_err();
    assert_eq!(error.reason, "the header X-GitHub-Event is there more than once");
}

#[test]
fn a_form_carries_the_payload_in_one_field() {
    let form = |body: &str| {
        let sent = headers(&[
            ("X-GitHub-Event", "push"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ]);
        only(read(ForgeKind::GitHub, &sent, body.as_bytes()))
    };
    let json = push_with(&format!(r#""ref":"refs/heads/a+b","after":"{NEW}","sender":{{"login":"a b"}}"#));
    let encoded: String = url::form_urlencoded::byte_serialize(json.as_bytes()).collect();
    let event = form(&format!("x=1&payload={encoded}")).unwrap();
    assert_eq!(event.kind.change().unwrap().reference.as_str(), "refs/heads/a+b");
    assert_eq!(event.sender.as_deref(), Some("a b"));

    let reason = |body: &str| form(body).unwrap_err().reason;
    assert_eq!(reason("a=b"), "the form has no field payload");
    assert_eq!(reason(&format!("payload={encoded}&payload={{}}")), "the form has the field payload more than once");
    assert_eq!(reason("payload="), "the payload is empty");
    assert!(reason("payload=%22%ff%22").contains("not UTF-8"));
}

#[test]
fn gitlab_has_no_forms_and_other_content_types_are_refused() {
    let reason = |kind, content_type| {
        let sent = headers(&[(default_event_header(kind), "push"), ("content-type", content_type)]);
        read(kind, &sent, b"payload={}").unwrap_err().reason
    };
    assert_eq!(reason(ForgeKind::GitLab, "application/x-www-form-urlencoded"), "GitLab sends JSON, and this is a form");
    assert!(reason(ForgeKind::GitHub, "text/plain").starts_with("the content type is neither"));
}

#[test]
fn delivery_ids_are_the_forges_own() {
    let id = |kind, pairs: &[(&str, &str)]| delivery_id(kind, &headers(pairs), b"body").to_string();
    assert_eq!(id(ForgeKind::GitHub, &[("X-GitHub-Delivery", "72d3162e-cc78")]), "72d3162e-cc78");
    assert_eq!(id(ForgeKind::Gitea, &[("X-GitHub-Delivery", "b"), ("X-Gitea-Delivery", "a")]), "a");
    assert_eq!(id(ForgeKind::Forgejo, &[("X-Forgejo-Delivery", "f"), ("X-Gitea-Delivery", "a")]), "f");
    let gitlab = [("X-Gitlab-Event-UUID", "u"), ("Idempotency-Key", "k"), ("webhook-id", "w")];
    assert_eq!(id(ForgeKind::GitLab, &gitlab), "w");
    assert_eq!(id(ForgeKind::GitLab, &gitlab[..2]), "k");
    assert_eq!(id(ForgeKind::GitLab, &gitlab[..1]), "u.230d8358dc8e8890");
}

#[test]
fn two_events_that_share_gitlabs_event_uuid_are_two_deliveries() {
    let sent = headers(&[("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e")]);
    let of = |body: &[u8]| delivery_id(ForgeKind::GitLab, &sent, body);
    assert_ne!(of(b"one"), of(b"two"));
    assert_eq!(of(b"one"), of(b"one"));
}

#[test]
fn hostile_and_missing_delivery_ids_become_hashes() {
    let long = "x".repeat(10_000);
    for hostile in ["../../etc/passwd", "a b", "'; DROP TABLE deliveries; --", long.as_str(), "\u{fc}"] {
        let id = delivery_id(ForgeKind::GitHub, &headers(&[("X-GitHub-Delivery", hostile)]), b"x");
        assert!(id.as_str().starts_with("sha256-"), "{id}");
        assert_eq!(id, delivery_id(ForgeKind::GitHub, &headers(&[("X-GitHub-Delivery", hostile)]), b"x"));
    }
    let none = |event: &str, body: &[u8]| delivery_id(ForgeKind::GitHub, &headers(&[("X-GitHub-Event", event)]), body);
    assert_eq!(none("push", b"x"), none("push", b"x"));
    assert_ne!(none("push", b"x"), none("push", b"y"));
    assert_ne!(none("push", b"x"), none("ping", b"x"));
    let doubled = headers(&[("X-GitHub-Delivery", "a"), ("X-GitHub-Delivery", "b")]);
    assert!(delivery_id(ForgeKind::GitHub, &doubled, b"x").as_str().starts_with("sha256-"));
}

#[test]
fn a_delivery_as_it_is_kept_reads_as_the_same_event() {
    let json = push_with(&format!(r#""secret":"s3cret","ref":"refs/heads/main","after":"{NEW}""#));
    let encoded: String = url::form_urlencoded::byte_serialize(json.as_bytes()).collect();
    let sent = headers(&[
        ("X-Gitea-Event", "push"),
        ("X-Gitea-Delivery", "d"),
        ("X-Gitea-Signature", "aa"),
        ("Authorization", "Bearer t"),
        ("content-type", "application/x-www-form-urlencoded"),
    ]);
    let body = bytes::Bytes::from(format!("payload={encoded}"));
    let kept = kept(ForgeKind::Gitea, &sent, &body, &Proof::default());
    assert!(!String::from_utf8_lossy(&kept.body).contains("s3cret"));
    assert_eq!(read(ForgeKind::Gitea, &kept.header_map(), &kept.body), read(ForgeKind::Gitea, &sent, &body));
    assert_eq!(delivery_id(ForgeKind::Gitea, &kept.header_map(), &kept.body).as_str(), "d");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("refs/heads/main")),
        Just(Value::from(NEW)),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "ref",
            "ref_type",
            "before",
            "after",
            "deleted",
            "head_commit",
            "repository",
            "sender",
            "pusher",
            "id",
            "full_name",
            "login",
            "message",
            "project",
            "project_id",
            "path_with_namespace",
            "commits",
            "checkout_sha",
            "event_name",
            "user",
            "user_name",
            "secret",
            "hook",
            "config",
        ])
        .prop_map(String::from),
        ".{0,8}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..10)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn try_everything(kind: ForgeKind, event: &[u8], id: &[u8], content_type: &[u8], body: &[u8]) {
    let mut sent = HeaderMap::new();
    for (name, value) in [
        (default_event_header(kind), event),
        ("x-github-delivery", id),
        ("idempotency-key", id),
        ("content-type", content_type),
        ("x-hub-signature-256", id),
        ("x-gitea-signature", id),
        ("webhook-signature", id),
        ("webhook-timestamp", event),
        ("x-gitlab-token", id),
    ] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            sent.append(HeaderName::try_from(name).unwrap(), value);
        }
    }
    let proof = Proof { secret: Some(crate::model::Secret::new("s")), signing_token: None };
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert_ne!(verify(kind, &sent, body, &proof, now), SignatureVerdict::Valid);
    let signing = Proof { secret: None, signing_token: Some(crate::model::Secret::new("whsec_c2VjcmV0")) };
    assert_ne!(verify(kind, &sent, body, &signing, now), SignatureVerdict::Valid);
    let known = delivery_id(kind, &sent, body);
    assert_eq!(known, delivery_id(kind, &sent, body));
    let told = read(kind, &sent, body);
    let kept = kept(kind, &sent, &bytes::Bytes::copy_from_slice(body), &proof);
    if told.is_ok() {
        assert_eq!(read(kind, &kept.header_map(), &kept.body), told, "a kept delivery reads differently");
    }
}

const EVENTS: [&str; 7] = ["push", "Push Hook", "Tag Push Hook", "System Hook", "delete", "ping", "create"];
const CONTENT_TYPES: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "x"];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        kind in proptest::sample::select(ForgeKind::ALL.to_vec()),
        event in prop_oneof![proptest::sample::select(EVENTS.to_vec()).prop_map(|e| e.as_bytes().to_vec()), any::<Vec<u8>>()],
        id in any::<Vec<u8>>(),
        content_type in proptest::sample::select(CONTENT_TYPES.to_vec()),
        body in any::<Vec<u8>>(),
    ) {
        try_everything(kind, &event, &id, content_type.as_bytes(), &body);
    }

    #[test]
    fn no_json_makes_it_panic(
        kind in proptest::sample::select(ForgeKind::ALL.to_vec()),
        event in proptest::sample::select(EVENTS.to_vec()),
        json in any_json(),
        form in any::<bool>(),
        cut in proptest::option::of(0usize..200),
    ) {
        let mut text = json.to_string();
        if let Some(at) = cut.filter(|at| *at < text.len() && text.is_char_boundary(*at)) {
            text.truncate(at);
        }
        let body = match form {
            true => format!("payload={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()),
            false => text,
        };
        try_everything(kind, event.as_bytes(), b"id", CONTENT_TYPES[usize::from(form)].as_bytes(), body.as_bytes());
    }
}
