//! Nothing is valid that was not signed with the secret, and what was signed is.
use super::request::parts;
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use launchway::forge::{Proof, SignatureVerdict, verify};
use launchway::model::{ForgeKind, Secret};
use sha2::Sha256;

const SECRET: &str = "b5f1a0c6-nobody-guesses-this-3d9e";
const TOKEN: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

pub fn run(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let kind = ForgeKind::ALL[usize::from(first) % ForgeKind::ALL.len()];
    let (mut headers, body) = parts(rest);
    let signs = kind == ForgeKind::GitLab && first & 0x80 != 0;
    let proof = match signs {
        true => Proof { secret: None, signing_token: Some(Secret::new(TOKEN)) },
        false => Proof { secret: Some(Secret::new(SECRET)), signing_token: None },
    };
    let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    if verify(kind, &headers, body, &proof, now) == SignatureVerdict::Valid {
        let known = [hex::encode(mac(SECRET.as_bytes(), &[body])), SECRET.to_string()];
        let told = |value: &HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes()).to_lowercase();
            known.iter().any(|known| text.contains(known))
        };
        assert!(signs || matches!(kind, ForgeKind::Gitea | ForgeKind::Forgejo) || headers.values().any(told));
    }
    // Without a secret nothing is valid.
    assert_ne!(verify(kind, &headers, body, &Proof::default(), now), SignatureVerdict::Valid);
    let empty = Proof { secret: Some(Secret::new("")), signing_token: Some(Secret::new("")) };
    assert_ne!(verify(kind, &headers, body, &empty, now), SignatureVerdict::Valid);
    // Signed as the forge signs: valid, and with another byte in the body no more.
    let signed = hex::encode(mac(SECRET.as_bytes(), &[body]));
    match kind {
        ForgeKind::GitHub | ForgeKind::Plain => {
            headers.insert("x-hub-signature-256", HeaderValue::try_from(format!("sha256={signed}")).unwrap());
        }
        ForgeKind::GitLab if signs => {
            let key = base64::engine::general_purpose::STANDARD.decode(&TOKEN[6..]).unwrap();
            let code = mac(&key, &[b"msg_1.1700000000.", body]);
            let code = base64::engine::general_purpose::STANDARD.encode(code);
            headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
            headers.insert("webhook-timestamp", HeaderValue::from_static("1700000000"));
            headers.insert("webhook-signature", HeaderValue::try_from(format!("v1,{code}")).unwrap());
        }
        // A token signs no body; Gitea signs what a form holds.
        ForgeKind::GitLab | ForgeKind::Gitea | ForgeKind::Forgejo => return,
    }
    assert_eq!(verify(kind, &headers, body, &proof, now), SignatureVerdict::Valid);
    let mut changed = body.to_vec();
    changed.push(b' ');
    assert_ne!(verify(kind, &headers, &changed, &proof, now), SignatureVerdict::Valid);
}
