//! A secret is in no text that the mask lets through, however it was written there, and wherever a stream is cut.
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use launchway::model::{Lines, Mask, Secret, plain};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

pub fn run(bytes: &[u8]) {
    let Some((&split, bytes)) = bytes.split_first() else { return };
    let (secret, around) = bytes.split_at(bytes.len().min(usize::from(split % 64)));
    let secret = String::from_utf8_lossy(secret).trim().to_string();
    let around = String::from_utf8_lossy(around);
    let mask = Mask::new(&[Secret::new(secret.as_str())]);
    let whole = format!("{around}{secret}{around}");
    let shown = mask.apply(&whole);
    // What is masked is plain, and masking once more finds nothing but its own stars.
    assert_eq!(plain(&shown), shown);
    // Beside letters and digits alone no surroundings can make something else of the secret.
    let is_simple = secret.len() >= 8 && secret.bytes().all(|b| b.is_ascii_alphanumeric()) && plain(&secret) == secret;
    if !is_simple {
        return;
    }
    let base64 = STANDARD.encode(&secret);
    // Surroundings that hold the secret's beginning, plain or in base64, may go on with most of it.
    let is_spelled_around = around.contains(&secret[..4]) || around.contains(&base64[..6]);
    let encoded = STANDARD.encode(&whole);
    let json = serde_json::to_string(&whole).unwrap();
    for text in [
        whole.clone(),
        json.clone(),
        serde_json::to_string(&json).unwrap(),
        utf8_percent_encode(&whole, NON_ALPHANUMERIC).to_string(),
        hex::encode(&whole),
        encoded.clone(),
        URL_SAFE_NO_PAD.encode(&whole),
        format!("Authorization: Basic {}", STANDARD.encode(format!("user:{secret}"))),
    ] {
        let shown = mask.apply(&text);
        assert!(shown.contains("***"), "{text:?} -> {shown:?}");
        assert!(!shown.contains(&secret), "{text:?} -> {shown:?}");
        assert!(!shown.contains(&hex::encode(&secret)));
        assert!(is_spelled_around || !shown.contains(&base64[..base64.len() / 4 * 3]), "{text:?} -> {shown:?}");
    }
    // Two secrets beside each other in a stream, cut anywhere.
    let line = whole.replace(['\n', '\r'], "");
    let mut lines = Lines::new(16);
    let mut told = String::new();
    for piece in line.as_bytes().chunks(usize::from(split).max(1)) {
        lines.push(piece, &mask, |text: &str| told.push_str(&mask.apply(text)));
    }
    lines.end(|text: &str| told.push_str(&mask.apply(text)));
    // Stars may stand beside letters of the surroundings, and only those could spell it again.
    assert!(around.contains('*') || around.contains(&secret[..4]) || !told.contains(&secret), "{line:?} -> {told:?}");
}
