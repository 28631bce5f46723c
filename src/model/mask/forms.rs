//! How a secret is written by programs that encode it: as patterns to look for.

use crate::model::plain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::ops::Range;

/// Shorter pieces of base64 are in too much that is no secret.
const SHORTEST_BASE64: usize = 6;

/// What a pattern is of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of it.
    Whole,
    /// The characters of base64 that come from the secret alone. Those beside them may hold some bits of it, too.
    Base64 { before: bool, after: bool },
}

impl Form {
    /// Whether it stands in base64.
    pub fn is_base64(self) -> bool {
        matches!(self, Form::Base64 { .. })
    }

    /// What is to be hidden where the pattern was found.
    pub fn widened(self, bytes: &[u8], found: Range<usize>) -> Range<usize> {
        let Form::Base64 { before, after } = self else { return found };
        let Range { mut start, mut end } = found;
        if before && start > 0 && is_base64(bytes[start - 1]) {
            start -= 1;
        }
        if after && bytes.get(end).copied().is_some_and(is_base64) {
            end += 1;
        }
        end += bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        start..end
    }
}

/// A character of base64 in either alphabet.
pub fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// All patterns of a secret, each once.
pub fn forms(secret: &str) -> Vec<(Vec<u8>, Form)> {
    let mut forms: Vec<(Vec<u8>, Form)> = vec![(secret.as_bytes().to_vec(), Form::Whole)];
    // As it looks once the text around it was made plain.
    forms.push((plain(secret).into_owned().into_bytes(), Form::Whole));
    // What is sent by a form: `+` for a space, everything else with percent signs.
    forms.push((secret.replace(' ', "+").into_bytes(), Form::Whole));
    // As shells are given it, in quotes of both kinds.
    if let Ok(quoted) = shlex::try_quote(secret) {
        let inside = quoted.strip_prefix(['\'', '"']).and_then(|quoted| quoted.strip_suffix(['\'', '"']));
        forms.push((inside.unwrap_or(&quoted).as_bytes().to_vec(), Form::Whole));
    }
    forms.push((hex::encode(secret).into_bytes(), Form::Whole));
    forms.push((hex::encode_upper(secret).into_bytes(), Form::Whole));
    for before in 0..3 {
        let (text, form) = base64(secret.as_bytes(), before);
        if text.len() < SHORTEST_BASE64 {
            continue;
        }
        let url: Vec<u8> = text.iter().map(|byte| in_urls(*byte)).collect();
        forms.extend([(text, form), (url, form)]);
    }
    if secret.len() < SHORTEST_BASE64 {
        // Too short to be found inside of something: only where it was encoded alone.
        let alone = STANDARD_NO_PAD.encode(secret).into_bytes();
        let url = alone.iter().map(|byte| in_urls(*byte)).collect();
        forms.extend([(alone, Form::Whole), (url, Form::Whole)]);
    }
    let mut seen = std::collections::HashSet::new();
    forms.retain(|(text, _)| seen.insert(text.clone()));
    forms
}

/// The characters that come from the secret alone where it stands `before` bytes after a multiple of three.
fn base64(secret: &[u8], before: usize) -> (Vec<u8>, Form) {
    let mut data = vec![0; before];
    data.extend_from_slice(secret);
    let text = STANDARD_NO_PAD.encode(&data).into_bytes();
    let bits = data.len() * 8;
    let (skip, whole) = ((before * 8).div_ceil(6), bits / 6);
    let own = text.get(skip..whole).unwrap_or_default().to_vec();
    (own, Form::Base64 { before: before > 0, after: !bits.is_multiple_of(6) })
}

fn in_urls(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => byte,
    }
}
