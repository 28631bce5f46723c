//! Who sent a delivery: its signature or token, checked over the raw bytes before anything is parsed.
//!
//! Every check fails closed, and takes the same work whatever its outcome: one HMAC-SHA256 over the body, and
//! comparisons that do not stop at the first difference. So neither the answer nor its time tells a stranger anything.

use super::claim::{Claim, Proof, SignatureVerdict};
use super::rules::Signed;
use super::{payload, table};
use crate::model::{ForgeKind, Secret};
use http::HeaderMap;

/// Checks a delivery by the rules of its forge.
pub fn verify(
    kind: ForgeKind,
    headers: &HeaderMap,
    body: &[u8],
    proof: &Proof,
    now: jiff::Timestamp,
) -> SignatureVerdict {
    // Read for every forge, although only Gitea signs it: a form must not take longer for some projects than others.
    let text = payload::json_text(headers, body);
    let signed = Signed { headers, body, text: text.as_deref(), proof, now };
    match table::of(kind).claim(&signed) {
        Ok(claim) => claim.verdict(),
        Err(verdict) => {
            let unused = Claim { key: Vec::new(), prefix: Vec::new(), text: body, codes: vec![[0; 32]] };
            std::hint::black_box(unused.verdict());
            verdict
        }
    }
}

/// What a webhook's one secret is checked as, where only the text and a delivery's headers are known: GitLab has two kinds.
pub fn proof_of(kind: ForgeKind, secret: Secret, headers: &HeaderMap) -> Proof {
    table::of(kind).proof_of(secret, headers)
}

#[cfg(test)]
mod tests;
