//! Somebody debugs a hook: `launchway webhook explain`, through the built binary.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn launchway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_launchway"))
        .args(["webhook", "explain"])
        .args(arguments)
        .env_remove("LAUNCHWAY_WEBHOOK_SECRET")
        .output()
        .unwrap()
}

fn explained(arguments: &[&str]) -> Value {
    let output = launchway(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks")
}

#[test]
fn every_push_tag_delete_ping_and_invalid_payload_is_told_as_the_manifest_says() {
    let manifest: Vec<Value> = serde_json::from_slice(&std::fs::read(corpus().join("manifest.json")).unwrap()).unwrap();
    let mut seen = 0;
    for (number, entry) in manifest.iter().enumerate() {
        let text = |key: &str| entry[key].as_str().unwrap();
        let ours = ["github", "gitlab", "gitea", "forgejo"].contains(&text("forge"));
        // Of the many that are ignored, some; the others all.
        if !ours || (text("kind") == "ignored" && number % 10 != 0) {
            continue;
        }
        seen += 1;
        let body = corpus().join(text("file"));
        let told = explained(&["--forge", text("forge"), "--event", text("event"), "--body", body.to_str().unwrap()]);
        let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["kind", "ref", "before", "after", "commit", "repository", "signature", "reason"]);
        assert_eq!(told["signature"], "absent");
        if text("file").ends_with("-bad-ref-shell.json") {
            assert_eq!(told["kind"], "push", "a legal ref name, which is only ever text");
            continue;
        }
        assert_eq!(told["kind"], entry["kind"], "{}: {told}", text("file"));
        assert_eq!(told["reason"].is_string(), matches!(text("kind"), "ignored" | "invalid"), "{told}");
        if let Some(result) = entry["results"].get(0) {
            let found = [&told["ref"], &told["before"], &told["after"], &told["repository"]];
            assert_eq!(found, [&result["ref"], &result["before"], &result["after"], &result["repo"]]);
            assert_eq!(told["commit"].is_string(), text("kind") != "delete");
            if let Some(commit) = result["checkout_sha"].as_str() {
                assert_eq!(told["commit"], commit);
            }
        }
    }
    assert!(seen > 130, "only {seen}");
}

#[test]
fn a_person_reads_lines() {
    let body = corpus().join("gitlab/Tag_Push_Hook/woodpecker-HookTag.json");
    let output = launchway(&["--forge", "gitlab", "--event", "Tag Push Hook", "--body", body.to_str().unwrap()]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    kind       tag
    ref        refs/tags/v22
    before     0000000000000000000000000000000000000000
    after      fabed3d94cd03e6c2b7958afa9569c18a24d301f
    commit     16862e368d8ab812e48833b741dad720d6e2cb7f
    repository test/woodpecker
    signature  absent
    ");
    let body = corpus().join("_derived/gitlab-bad-ref-option.json");
    let output = launchway(&["--forge", "gitlab", "--event", "Push Hook", "--body", body.to_str().unwrap()]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    kind       invalid
    signature  absent
    reason     ref is "--upload-pack=touch /opt/pwned", not a full ref name such as refs/heads/main, as `git check-ref-format` accepts it
    "#);
}

#[test]
fn the_signature_is_checked_with_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let body = file("body", "Hello, World!");
    let code = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = file("headers", &json!({"x-hub-signature-256": code, "X-GitHub-Event": "push"}).to_string());
    let with =
        |secret: &str| explained(&["--forge", "github", "--body", &body, "--headers", &headers, "--secret", secret]);
    let told = with("It's a Secret to Everybody");
    assert_eq!((&told["signature"], &told["kind"]), (&json!("valid"), &json!("invalid")));
    assert_eq!(with("wrong")["signature"], "invalid");
    let without = explained(&["--forge", "github", "--body", &body, "--headers", &headers]);
    assert_eq!(without["signature"], "invalid");
    assert!(without["reason"].as_str().unwrap().ends_with("there is no secret to check it against"), "{without}");
    let doubled = file("doubled", &json!({"x-hub-signature-256": [code, code]}).to_string());
    let told =
        explained(&["--forge", "github", "--event", "push", "--body", &body, "--headers", &doubled, "--secret", "x"]);
    assert!(told["reason"].as_str().unwrap().contains("more than once"), "{told}");
}

#[test]
fn a_recorded_delivery_of_gitlabs_signed_form_is_checked_as_of_when_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let (body, headers) = (folder.path().join("body"), folder.path().join("headers"));
    std::fs::write(&body, r#"{"test": 2432232314}"#).unwrap();
    let sent = json!({
        "X-Gitlab-Event": "Issue Hook",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": 1_614_265_330,
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
    std::fs::write(&headers, sent.to_string()).unwrap();
    let arguments = [
        "--forge",
        "gitlab",
        "--secret",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "--body",
        body.to_str().unwrap(),
        "--headers",
        headers.to_str().unwrap(),
    ];
    let told = explained(&[&arguments[..], &["--at", "2021-02-25T15:02:10Z"]].concat());
    assert_eq!((&told["signature"], &told["kind"]), (&json!("valid"), &json!("ignored")));
    let told = explained(&arguments);
    assert_eq!(told["signature"], "invalid");
    assert!(told["reason"].as_str().unwrap().contains("signed at another time than now"), "{told}");
}

#[test]
fn the_body_may_come_from_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_launchway"))
        .args(["webhook", "explain", "--forge", "github", "--event", "ping", "--body", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["kind"], "ping");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    std::fs::write(&headers, "[1]").unwrap();
    let headers = headers.to_str().unwrap();
    for (arguments, words) in [
        (vec!["--body", "/nothing/here"], "cannot read the body from /nothing/here"),
        (vec!["--body", headers, "--headers", "/nothing/here"], "cannot read the headers from /nothing/here"),
        (vec!["--body", headers, "--headers", headers], "they should be one JSON object"),
    ] {
        let output = launchway(&[&["--forge", "github", "--event", "push"], &arguments[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let output = launchway(&["--forge", "svn", "--body", headers]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("is not a forge: github, gitlab, gitea, forgejo or plain"), "{error}");
}
