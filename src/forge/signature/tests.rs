//! The forges' published vectors, and every wrong proof that could be offered.

use super::super::claim::{MISMATCH, hmac};
use super::*;
use hmac::Mac as _;
use http::{HeaderName, HeaderValue};

const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
/// docs.github.com, "Validating webhook deliveries".
const CODE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
/// The Standard Webhooks specification's example.
const TOKEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SIGNED: &[u8] = br#"{"test": 2432232314}"#;
const SIGNED_AT: i64 = 1_614_265_330;
const ENTRY: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn secret(text: &str) -> Proof {
    Proof { secret: Some(Secret::new(text)), signing_token: None }
}

fn check(kind: ForgeKind, pairs: &[(&str, &str)], body: &[u8], proof: &Proof) -> SignatureVerdict {
    verify(kind, &headers(pairs), body, proof, jiff::Timestamp::from_second(SIGNED_AT).unwrap())
}

fn reason(verdict: SignatureVerdict) -> String {
    match verdict {
        SignatureVerdict::Invalid { reason } => reason,
        other => panic!("{other:?} is not invalid"),
    }
}

fn github(value: &str) -> SignatureVerdict {
    check(ForgeKind::GitHub, &[("X-Hub-Signature-256", value)], BODY, &secret(SECRET))
}

fn gitlab_signed(pairs: &[(&str, &str)]) -> SignatureVerdict {
    let proof = Proof { secret: Some(Secret::new("plain")), signing_token: Some(Secret::new(TOKEN)) };
    check(ForgeKind::GitLab, pairs, SIGNED, &proof)
}

fn standard(signature: &str) -> Vec<(&'static str, String)> {
    vec![
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".into()),
        ("webhook-timestamp", SIGNED_AT.to_string()),
        ("webhook-signature", signature.into()),
    ]
}

fn check_standard(pairs: &[(&'static str, String)]) -> SignatureVerdict {
    gitlab_signed(&pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

#[test]
fn githubs_published_vector_is_valid_for_github_and_the_plain_forge() {
    assert_eq!(github(&format!("sha256={CODE}")), SignatureVerdict::Valid);
    let sent = [("x-hub-signature-256", format!("sha256={CODE}"))];
    let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(check(ForgeKind::Plain, &sent, BODY, &secret(SECRET)), SignatureVerdict::Valid);
}

#[test]
fn the_standard_webhooks_vector_is_valid_for_gitlab() {
    assert_eq!(check_standard(&standard(ENTRY)), SignatureVerdict::Valid);
}

#[test]
fn one_match_among_several_entries_is_enough() {
    let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for entries in [format!("{other} {ENTRY}"), format!("{ENTRY} {other}"), format!("v1a,x v2,y {ENTRY}")] {
        assert_eq!(check_standard(&standard(&entries)), SignatureVerdict::Valid, "{entries}");
    }
    assert!(reason(check_standard(&standard(&format!("{other} {other}")))).contains("does not match"));
}

#[test]
fn a_changed_body_or_another_secret_is_invalid() {
    let sent = [("X-Hub-Signature-256", format!("sha256={CODE}"))];
    let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (body, key) in [(&b"Hello, World?"[..], SECRET), (BODY, "it's a Secret to Everybody"), (b"", SECRET)] {
        let verdict = check(ForgeKind::GitHub, &sent, body, &secret(key));
        assert_eq!(reason(verdict), MISMATCH);
    }
}

#[test]
fn malformed_signatures_are_invalid() {
    let upper = CODE.to_ascii_uppercase();
    let cut = &CODE[..63];
    for value in [
        format!("sha256={cut}"),
        format!("sha256={}", &CODE[..40]),
        format!("sha256={CODE}00"),
        format!("sha256={upper}"),
        format!("SHA256={CODE}"),
        format!("sha256= {CODE}"),
        format!("sha256={CODE},sha256={CODE}"),
        format!("sha1={}", &CODE[..40]),
        CODE.to_string(),
        "sha256=".to_string(),
        String::new(),
        format!("sha256={}", "0".repeat(64)),
        "sha256=\u{fc}".to_string(),
    ] {
        assert_eq!(github(&value).word(), "invalid", "{value:?}");
    }
}

#[test]
fn a_missing_signature_is_absent_and_a_doubled_one_invalid() {
    assert_eq!(check(ForgeKind::GitHub, &[], BODY, &secret(SECRET)), SignatureVerdict::Absent);
    assert_eq!(check(ForgeKind::GitLab, &[], BODY, &secret(SECRET)), SignatureVerdict::Absent);
    assert_eq!(check(ForgeKind::Gitea, &[], BODY, &secret(SECRET)), SignatureVerdict::Absent);
    assert_eq!(gitlab_signed(&[]), SignatureVerdict::Absent);
    let good = format!("sha256={CODE}");
    let twice = [("X-Hub-Signature-256", good.as_str()), ("X-Hub-Signature-256", good.as_str())];
    let verdict = check(ForgeKind::GitHub, &twice, BODY, &secret(SECRET));
    assert_eq!(reason(verdict), "the header X-Hub-Signature-256 is there more than once");
    let twice = [("X-Gitea-Signature", CODE), ("X-Gitea-Signature", CODE)];
    assert_eq!(check(ForgeKind::Gitea, &twice, BODY, &secret(SECRET)).word(), "invalid");
    let twice = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Token", SECRET)];
    assert_eq!(check(ForgeKind::GitLab, &twice, BODY, &secret(SECRET)).word(), "invalid");
    for doubled in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut pairs = standard(ENTRY);
        pairs.extend(standard(ENTRY).into_iter().filter(|(name, _)| *name == doubled));
        assert_eq!(check_standard(&pairs).word(), "invalid", "{doubled}");
    }
}

#[test]
fn sha1_alone_is_refused() {
    let sent = [("X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")];
    let verdict = check(ForgeKind::GitHub, &sent, BODY, &secret(SECRET));
    assert_eq!(reason(verdict), "only the SHA-1 signature is there, not X-Hub-Signature-256");
}

#[test]
fn without_a_secret_nothing_is_valid_not_even_what_an_empty_key_signed() {
    let mut mac = hmac(b"");
    mac.update(BODY);
    let code = hex::encode(mac.finalize().into_bytes());
    let hub = format!("sha256={code}");
    for proof in [Proof::default(), secret("")] {
        for kind in ForgeKind::ALL {
            let sent =
                [("X-Hub-Signature-256", hub.as_str()), ("X-Gitea-Signature", code.as_str()), ("X-Gitlab-Token", "x")];
            assert_eq!(reason(check(kind, &sent, BODY, &proof)), "there is no secret to check it against", "{kind}");
        }
        assert_eq!(check(ForgeKind::GitLab, &[("X-Gitlab-Token", "")], BODY, &proof).word(), "invalid");
    }
    for token in ["", "whsec_", "whsec_not base64!"] {
        let proof = Proof { secret: None, signing_token: Some(Secret::new(token)) };
        let sent = standard(ENTRY);
        let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(check(ForgeKind::GitLab, &sent, SIGNED, &proof).word(), "invalid", "{token:?}");
    }
}

#[test]
fn gitlabs_plain_token_is_the_whole_secret() {
    let with = |given: &str| check(ForgeKind::GitLab, &[("X-Gitlab-Token", given)], BODY, &secret(SECRET));
    assert_eq!(with(SECRET), SignatureVerdict::Valid);
    for given in ["It's a Secret to Everybod", "It's a Secret to Everybody!", "it's a secret to everybody", "x"] {
        assert_eq!(reason(with(given)), "X-Gitlab-Token is not the project's secret");
    }
    assert_eq!(with("").word(), "invalid");
}

#[test]
fn the_plain_token_is_not_accepted_where_a_signing_token_is_set() {
    let verdict = gitlab_signed(&[("X-Gitlab-Token", "plain")]);
    assert!(reason(verdict).starts_with("only the plain X-Gitlab-Token is there"));
    let mut pairs = standard("v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    pairs.push(("X-Gitlab-Token", "plain".into()));
    assert_eq!(check_standard(&pairs).word(), "invalid");
    let mut pairs = standard(ENTRY);
    pairs.push(("X-Gitlab-Token", "wrong".into()));
    assert_eq!(check_standard(&pairs), SignatureVerdict::Valid);
}

#[test]
fn a_replay_after_five_minutes_is_refused() {
    let proof = Proof { secret: None, signing_token: Some(Secret::new(TOKEN)) };
    let sent = standard(ENTRY);
    let sent = headers(&sent.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    let at = |off: i64| {
        let now = jiff::Timestamp::from_second(SIGNED_AT + off).unwrap();
        verify(ForgeKind::GitLab, &sent, SIGNED, &proof, now)
    };
    for off in [-300, -1, 0, 299, 300] {
        assert_eq!(at(off), SignatureVerdict::Valid, "{off}");
    }
    for off in [-301, 301, 86_400] {
        assert!(reason(at(off)).contains("at another time than now"), "{off}");
    }
}

#[test]
fn what_a_signed_time_or_id_is_cannot_be_changed() {
    for (name, value) in [
        ("webhook-id", "msg_other"),
        ("webhook-id", ""),
        ("webhook-timestamp", "1614265331"),
        ("webhook-timestamp", "1614265330.0"),
        ("webhook-timestamp", "+1614265330"),
        ("webhook-timestamp", "now"),
        ("webhook-timestamp", "99999999999999999999999"),
        ("webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,g0hM9SsE"),
        ("webhook-signature", ""),
    ] {
        let mut pairs = standard(ENTRY);
        for pair in pairs.iter_mut().filter(|pair| pair.0 == name) {
            pair.1 = value.into();
        }
        assert_eq!(check_standard(&pairs).word(), "invalid", "{name}: {value}");
        pairs.retain(|pair| pair.0 != name);
        let missing = check_standard(&pairs);
        assert_ne!(missing, SignatureVerdict::Valid, "{name} missing");
    }
}

#[test]
fn gitea_signs_the_json_inside_a_form_and_github_the_form() {
    let json = br#"{"a": "b+c"}"#;
    let form = b"payload=%7B%22a%22%3A+%22b%2Bc%22%7D";
    let code = |text: &[u8]| hex::encode(hmac(SECRET.as_bytes()).chain_update(text).finalize().into_bytes());
    let with = |kind, name, value: &str| {
        let sent = [("content-type", "application/x-www-form-urlencoded"), (name, value)];
        check(kind, &sent, form, &secret(SECRET)).word()
    };
    assert_eq!(with(ForgeKind::Gitea, "X-Gitea-Signature", &code(json)), "valid");
    assert_eq!(with(ForgeKind::Gitea, "X-Gitea-Signature", &code(form)), "invalid");
    assert_eq!(with(ForgeKind::GitHub, "X-Hub-Signature-256", &format!("sha256={}", code(form))), "valid");
    assert_eq!(with(ForgeKind::GitHub, "X-Hub-Signature-256", &format!("sha256={}", code(json))), "invalid");
}

#[test]
fn where_forgejos_header_is_there_it_alone_counts() {
    let both = |forgejo: &str, gitea: &str| {
        let sent = [("X-Forgejo-Signature", forgejo), ("X-Gitea-Signature", gitea)];
        [ForgeKind::Forgejo, ForgeKind::Gitea].map(|kind| check(kind, &sent, BODY, &secret(SECRET)).word())
    };
    assert_eq!(both(CODE, "wrong"), ["valid"; 2]);
    assert_eq!(both("", CODE), ["invalid"; 2]);
    assert_eq!(both(&"0".repeat(64), CODE), ["invalid"; 2]);
    assert_eq!(check(ForgeKind::Forgejo, &[("X-Gitea-Signature", CODE)], BODY, &secret(SECRET)).word(), "valid");
}

#[test]
fn giteas_empty_signature_of_a_hook_without_secret_is_refused() {
    let sent = [("X-Gitea-Signature", ""), ("X-Hub-Signature-256", "sha256=")];
    let verdict = check(ForgeKind::Gitea, &sent, BODY, &secret(SECRET));
    assert_eq!(reason(verdict), "the header X-Gitea-Signature is empty: the hook has no secret on the forge");
}

#[test]
fn another_forges_proof_does_not_count() {
    let hub = format!("sha256={CODE}");
    let all = [("X-Hub-Signature-256", hub.as_str()), ("X-Gitea-Signature", CODE), ("X-Gitlab-Token", SECRET)];
    for (kind, own) in [(ForgeKind::GitHub, 0), (ForgeKind::Gitea, 1), (ForgeKind::GitLab, 2)] {
        let others: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != own).map(|(_, pair)| *pair).collect();
        assert_eq!(check(kind, &others, BODY, &secret(SECRET)), SignatureVerdict::Absent, "{kind}");
        assert_eq!(check(kind, &all, BODY, &secret(SECRET)), SignatureVerdict::Valid, "{kind}");
    }
}
