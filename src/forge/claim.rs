//! The proof that a delivery carries, and what it is checked with. [`super::signature`] says in which order.

use super::header;
use crate::model::Secret;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

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
pub(super) const MISMATCH: &str = "the signature does not match: compare the secret of the webhook at the forge with the project's `secret` in \
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

    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        SignatureVerdict::Invalid { reason: reason.into() }
    }
}

/// What the headers claim, ready to be checked.
pub(super) struct Claim<'a> {
    pub key: Vec<u8>,
    /// What is signed before the text.
    pub prefix: Vec<u8>,
    pub text: &'a [u8],
    /// The codes given; one match is enough.
    pub codes: Vec<[u8; 32]>,
}

impl Claim<'_> {
    pub(super) fn verdict(&self) -> SignatureVerdict {
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

pub(super) fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The secret, unless it is missing or empty: then nothing is valid.
pub(super) fn key(secret: &Option<Secret>) -> Result<Vec<u8>, SignatureVerdict> {
    match secret {
        Some(secret) if !secret.is_empty() => Ok(secret.expose().as_bytes().to_vec()),
        _ => Err(SignatureVerdict::invalid("there is no secret to check it against")),
    }
}

/// The one value of a proof's header: absent where it is not there, invalid where it is doubled or empty.
pub(super) fn proof_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, SignatureVerdict> {
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
pub(super) fn hex_code(name: &str, digits: &str) -> Result<[u8; 32], SignatureVerdict> {
    let fault = || SignatureVerdict::invalid(format!("the header {name} does not hold 64 lower-case hex digits"));
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(fault());
    }
    let mut code = [0; 32];
    hex::decode_to_slice(digits, &mut code).map_err(|_| fault())?;
    Ok(code)
}
