//! Who sent a delivery: its signature or token, checked over the raw bytes before anything is parsed.
//!
//! Every check fails closed, and takes the same work whatever its outcome: one HMAC-SHA256 over the body, and
//! comparisons that do not stop at the first difference. So neither the answer nor its time tells a stranger anything.

use super::header::{self, Unclear};
use super::payload;
use crate::model::{ForgeKind, Secret};
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;
use std::time::Duration;

/// What a project's deliveries are checked against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// The hook's secret; GitLab's "secret token".
    pub secret: Option<Secret>,
    /// GitLab's signing token. Where it is set, the plain token is not accepted.
    pub signing_token: Option<Secret>,
}

/// What became of the check. Only `Valid` lets a delivery in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureVerdict {
    Valid,
    /// There is something, but it proves nothing; why, as a sentence for the project's owner, never for the sender.
    Invalid {
        reason: String,
    },
    /// The request carries no proof at all.
    Absent,
}

/// What a signature that is another secret's is told as.
const MISMATCH: &str = "the signature does not match: compare the secret of the webhook at the forge with the project's `secret` in \
    launchway.toml (a line break at the end of a secret's file does not count); where both are equal, something on the way \
    changed the body";

impl SignatureVerdict {
    /// The word for it in tables and JSON: valid, invalid, absent.
    pub fn word(&self) -> &'static str {
        match self {
            SignatureVerdict::Valid => "valid",
            SignatureVerdict::Invalid { .. } => "invalid",
            SignatureVerdict::Absent => "absent",
        }
    }

    fn invalid(reason: impl Into<String>) -> Self {
        SignatureVerdict::Invalid { reason: reason.into() }
    }
}

/// How far a signed time may be off (Standard Webhooks, "Verifying webhook authenticity").
pub const SIGNED_TIME_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What the headers claim, ready to be checked.
struct Claim<'a> {
    key: Vec<u8>,
    /// What is signed before the text.
    prefix: Vec<u8>,
    text: &'a [u8],
    /// The codes given; one match is enough.
    codes: Vec<[u8; 32]>,
}

/// Checks a delivery by the rules of its forge.
pub fn verify(
    kind: ForgeKind,
    headers: &HeaderMap,
    body: &[u8],
    proof: &Proof,
    now: jiff::Timestamp,
) -> SignatureVerdict {
    // Read for every forge, although only Gitea signs it: a form must not take longer for some projects than others.
    let form = payload::json_text(headers, body);
    let claim = match kind {
        ForgeKind::GitHub | ForgeKind::Plain => github(headers, body, proof),
        ForgeKind::GitLab if proof.signing_token.is_some() => gitlab_signed(headers, body, proof, now),
        ForgeKind::GitLab => Err(gitlab_token(headers, proof)),
        ForgeKind::Gitea | ForgeKind::Forgejo => match &form {
            Ok(text) => gitea(headers, text, proof),
            Err(invalid) => Err(SignatureVerdict::invalid(invalid.reason.clone())),
        },
    };
    match claim {
        Ok(claim) => claim.verdict(),
        Err(verdict) => {
            let unused = Claim { key: Vec::new(), prefix: Vec::new(), text: body, codes: vec![[0; 32]] };
            std::hint::black_box(unused.verdict());
            verdict
        }
    }
}

impl Claim<'_> {
    fn verdict(&self) -> SignatureVerdict {
        let mut mac = hmac(&self.key);
        mac.update(&self.prefix);
        mac.update(self.text);
        // No early end: all are compared, each in constant time.
        let matching = self.codes.iter().filter(|code| mac.clone().verify_slice(*code).is_ok()).count();
        match matching {
            0 => SignatureVerdict::invalid(MISMATCH),
            _ => SignatureVerdict::Valid,
        }
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The secret, unless it is missing or empty: then nothing is valid.
fn key(secret: &Option<Secret>) -> Result<Vec<u8>, SignatureVerdict> {
    match secret {
        Some(secret) if !secret.is_empty() => Ok(secret.expose().as_bytes().to_vec()),
        _ => Err(SignatureVerdict::invalid("there is no secret to check it against")),
    }
}

/// The one value of a proof's header: absent where it is not there, invalid where it is doubled or empty.
fn proof_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, SignatureVerdict> {
    match header::only(headers, name) {
        Ok(Some("")) => {
            Err(SignatureVerdict::invalid(format!("the header {name} is empty: the hook has no secret on the forge")))
        }
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(SignatureVerdict::Absent),
        Err(unclear) => Err(SignatureVerdict::invalid(unclear.sentence(name))),
    }
}

/// 64 lower-case hex digits.
fn hex_code(name: &str, digits: &str) -> Result<[u8; 32], SignatureVerdict> {
    let fault = || SignatureVerdict::invalid(format!("the header {name} does not hold 64 lower-case hex digits"));
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(fault());
    }
    let mut code = [0; 32];
    hex::decode_to_slice(digits, &mut code).map_err(|_| fault())?;
    Ok(code)
}

/// `X-Hub-Signature-256: sha256=<hex>` over the raw body, forms too.
fn github<'a>(headers: &HeaderMap, body: &'a [u8], proof: &Proof) -> Result<Claim<'a>, SignatureVerdict> {
    let name = "X-Hub-Signature-256";
    let value = match proof_header(headers, name) {
        Err(SignatureVerdict::Absent) if headers.contains_key("X-Hub-Signature") => {
            return Err(SignatureVerdict::invalid(format!("only the SHA-1 signature is there, not {name}")));
        }
        other => other?,
    };
    let digits = value
        .strip_prefix("sha256=")
        .ok_or_else(|| SignatureVerdict::invalid(format!("the header {name} does not start with sha256=")))?;
    let codes = vec![hex_code(name, digits)?];
    Ok(Claim { key: key(&proof.secret)?, prefix: Vec::new(), text: body, codes })
}

/// `X-Forgejo-Signature`, which alone counts where it is there, else `X-Gitea-Signature`: bare hex over the JSON text.
fn gitea<'a>(headers: &HeaderMap, text: &'a [u8], proof: &Proof) -> Result<Claim<'a>, SignatureVerdict> {
    let forgejo = "X-Forgejo-Signature";
    let name = if headers.contains_key(forgejo) { forgejo } else { "X-Gitea-Signature" };
    let codes = vec![hex_code(name, proof_header(headers, name)?)?];
    Ok(Claim { key: key(&proof.secret)?, prefix: Vec::new(), text, codes })
}

/// `X-Gitlab-Token`: the secret itself.
fn gitlab_token(headers: &HeaderMap, proof: &Proof) -> SignatureVerdict {
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
fn gitlab_signed<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    proof: &Proof,
    now: jiff::Timestamp,
) -> Result<Claim<'a>, SignatureVerdict> {
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

#[cfg(test)]
mod tests;
