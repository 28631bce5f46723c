//! What proves a delivery of GitLab: a plain token, or a signature by the Standard Webhooks specification.

use super::claim::{Claim, Proof, SignatureVerdict, hmac, key, proof_header};
use super::header::{self, Unclear};
use super::rules::Signed;
use crate::model::Secret;
use base64::Engine as _;
use hmac::Mac;
use http::HeaderMap;
use std::time::Duration;

/// How far a signed time may be off (Standard Webhooks, "Verifying webhook authenticity").
pub const SIGNED_TIME_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// `X-Gitlab-Token`: the secret itself.
pub(super) fn token_verdict(headers: &HeaderMap, proof: &Proof) -> SignatureVerdict {
    let given = match proof_header(headers, "X-Gitlab-Token") {
        Ok(given) => given,
        Err(verdict) => return verdict,
    };
    let expected = match key(&proof.secret) {
        Ok(expected) => expected,
        Err(verdict) => return verdict,
    };
    // Compared as codes of one length, so that not even the secret's length shows.
    let code = |text: &[u8]| hmac(b"gitlab token").chain_update(text);
    match code(&expected).verify(&code(given.as_bytes()).finalize().into_bytes()) {
        Ok(()) => SignatureVerdict::Valid,
        Err(_) => SignatureVerdict::invalid("X-Gitlab-Token is not the project's secret"),
    }
}

/// The Standard Webhooks form: HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, as base64 after `v1,`.
pub(super) fn signed_claim<'a>(signed: &Signed<'a>) -> Result<Claim<'a>, SignatureVerdict> {
    let Signed { headers, body, proof, now, .. } = *signed;
    let signature = match proof_header(headers, "webhook-signature") {
        Err(SignatureVerdict::Absent) if headers.contains_key("X-Gitlab-Token") => {
            return Err(SignatureVerdict::invalid(
                "only the plain X-Gitlab-Token is there, which is not accepted where a signing token is set",
            ));
        }
        other => other?,
    };
    let required = |name: &str| match header::only(headers, name) {
        Ok(Some(text)) if !text.is_empty() => Ok(text),
        Err(unclear @ Unclear::Doubled) => Err(SignatureVerdict::invalid(unclear.sentence(name))),
        _ => Err(SignatureVerdict::invalid(format!("the header {name} is missing"))),
    };
    let id = required("webhook-id")?;
    let timestamp = required("webhook-timestamp")?;
    let codes: Vec<[u8; 32]> = signature.split(' ').filter_map(signed_entry).collect();
    if codes.is_empty() {
        return Err(SignatureVerdict::invalid("the header webhook-signature has no entry of the form v1,<base64>"));
    }
    let digits_only = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = timestamp
        .parse()
        .ok()
        .filter(|_| digits_only)
        .ok_or_else(|| SignatureVerdict::invalid("the header webhook-timestamp is not a number of seconds"))?;
    let off = now.as_second().abs_diff(seconds);
    if off > SIGNED_TIME_TOLERANCE.as_secs() {
        return Err(SignatureVerdict::invalid(format!(
            "it was signed at another time than now ({off} s off, at most {} s are accepted): a replay, or a clock is wrong",
            SIGNED_TIME_TOLERANCE.as_secs()
        )));
    }
    let key = signing_key(&proof.signing_token)?;
    Ok(Claim { key, prefix: format!("{id}.{timestamp}.").into_bytes(), text: body, codes })
}

fn signed_entry(entry: &str) -> Option<[u8; 32]> {
    let code = base64::engine::general_purpose::STANDARD.decode(entry.strip_prefix("v1,")?).ok()?;
    code.try_into().ok()
}

/// The key of a signing token: base64 after `whsec_`, else its own bytes.
fn signing_key(token: &Option<Secret>) -> Result<Vec<u8>, SignatureVerdict> {
    let token = key(token)?;
    match token.strip_prefix(b"whsec_") {
        None => Ok(token),
        Some(encoded) => match base64::engine::general_purpose::STANDARD.decode(encoded) {
            Ok(decoded) if !decoded.is_empty() => Ok(decoded),
            _ => Err(SignatureVerdict::invalid("the project's signing token is not base64 after whsec_")),
        },
    }
}
