use super::*;
use crate::model::Secret;

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())])
}

fn kept_text(body: &'static str) -> String {
    let proof = Proof { secret: Some(Secret::new("p\"w-1")), signing_token: None };
    let kept = kept(ForgeKind::Gitea, &json_headers(), &Bytes::from_static(body.as_bytes()), &proof);
    String::from_utf8(kept.body.to_vec()).unwrap()
}

#[test]
fn the_hooks_secret_in_the_body_is_hidden() {
    assert_eq!(kept_text(r#"{"secret":"any","ref":"x"}"#), r#"{"secret":"***","ref":"x"}"#);
    assert_eq!(
        kept_text(r#"{"hook":{"config":{"secret":"any","url":"u"}}}"#),
        r#"{"hook":{"config":{"secret":"***","url":"u"}}}"#
    );
}

#[test]
fn a_body_without_a_secret_keeps_its_bytes() {
    for body in [r#"{ "a" : 1.0 }"#, r#"{ "message":"my secret" }"#] {
        assert_eq!(kept_text(body), body);
    }
}

#[test]
fn a_body_that_is_no_json_has_the_projects_secrets_hidden() {
    assert_eq!(kept_text(r#"{"secret":"p\"w-1","ref":"#), r#"{"secret":"***","ref":"#);
    assert_eq!(kept_text(r#"secret=p"w-1&x"#), "secret=***&x");
}

#[test]
fn tokens_and_signatures_are_not_among_the_kept_headers() {
    let mut headers = json_headers();
    for (name, value) in [
        ("x-gitlab-event", "Push Hook"),
        ("idempotency-key", "k"),
        ("x-gitlab-token", "t"),
        ("webhook-signature", "v1,x"),
        ("authorization", "Bearer t"),
        ("cookie", "c"),
        ("user-agent", "GitLab/17"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    let kept = kept(ForgeKind::GitLab, &headers, &Bytes::new(), &Proof::default());
    let names: Vec<&str> = kept.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-gitlab-event", "idempotency-key", "content-type", "user-agent"]);
}
