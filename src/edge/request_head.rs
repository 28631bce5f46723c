//! The head of a request of HTTP/1 as it came, made into one that hyper takes: with a target that it can hold, and without lines
//! that are continued on the next (RFC 9112, 5.2). What hyper would refuse without a word is refused here with one. Pure.

use super::framing::BodyEnd;
use super::refusal::{LONGEST_HEAD, LONGEST_TARGET, MOST_HEADERS, Refusal};
use super::target;
use http::{Method, Uri};
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// A head as hyper gets it, and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub struct TakenHead<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub body: BodyEnd,
    /// What follows may be another protocol.
    pub asks_to_upgrade: bool,
}

/// `head`: with the empty line at its end.
pub fn read(head: &[u8]) -> Result<TakenHead<'_>, Refusal> {
    if head.len() > LONGEST_HEAD {
        return Err(Refusal::HeadTooLong);
    }
    let bytes = rewritten(head)?;
    let (body, asks_to_upgrade) = understood(&bytes)?;
    Ok(TakenHead { bytes, body, asks_to_upgrade })
}

/// How many bytes the head has, its empty line included; `None`: it is not all there. `from`: so many were looked at before.
pub fn end(came: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(2);
    while let Some(found) = came.get(at..)?.iter().position(|byte| *byte == b'\n') {
        let next = at + found + 1;
        match came.get(next..)? {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

fn rewritten(head: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    let line = head.iter().position(|byte| *byte == b'\n').ok_or(Refusal::Line)? + 1;
    if matches!(head.get(line), Some(b' ' | b'\t')) {
        return Err(Refusal::Continued);
    }
    let of_target = target_in(&head[..line]);
    let held = of_target.clone().map(|range| target::held(&head[range]));
    if held.as_ref().is_some_and(|held| held.len() > LONGEST_TARGET) {
        return Err(Refusal::TargetTooLong);
    }
    let is_continued = head[line..].windows(2).any(|pair| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t'));
    let (held, range) = match (held, of_target) {
        (Some(Cow::Owned(held)), Some(range)) => (held, range),
        _ if !is_continued => return Ok(Cow::Borrowed(head)),
        _ => (Vec::new(), 0..0),
    };
    let mut bytes = Vec::with_capacity(head.len() + held.len());
    bytes.extend_from_slice(&head[..range.start]);
    bytes.extend_from_slice(&held);
    bytes.extend_from_slice(&head[range.end..line]);
    match is_continued {
        true => join_lines(&head[line..], &mut bytes),
        false => bytes.extend_from_slice(&head[line..]),
    }
    Ok(Cow::Owned(bytes))
}

/// Where the target stands in the first line.
fn target_in(line: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = line.iter().position(|byte| *byte == b' ')? + 1;
    let length = line[start..].iter().position(|byte| *byte == b' ')?;
    Some(start..start + length)
}

/// A line break before a space or a tab, and these, are one space.
fn join_lines(headers: &[u8], into: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = headers.get(at) {
        let after = match &headers[at..] {
            [b'\r', b'\n', b' ' | b'\t', ..] => at + 2,
            [b'\n', b' ' | b'\t', ..] => at + 1,
            _ => {
                into.push(byte);
                at += 1;
                continue;
            }
        };
        let spaces = headers[after..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        into.push(b' ');
        at = after + spaces;
    }
}

/// Whether hyper takes it, and how its body ends then; by the parser that hyper uses.
fn understood(head: &[u8]) -> Result<(BodyEnd, bool), Refusal> {
    let mut headers = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut headers).map_err(|error| match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders,
        httparse::Error::HeaderName => Refusal::HeaderName,
        httparse::Error::HeaderValue => Refusal::HeaderValue,
        // A line break that is none stands in the first line or behind a header.
        httparse::Error::NewLine if request.version.is_some() => Refusal::HeaderValue,
        httparse::Error::Token if request.method.is_some() => Refusal::Target,
        _ => Refusal::Line,
    })?;
    let (Some(method), Some(path)) = (request.method, request.path) else { return Err(Refusal::Line) };
    if parsed.is_partial() || Method::from_bytes(method.as_bytes()).is_err() {
        return Err(Refusal::Line);
    }
    Uri::try_from(path.as_bytes()).map_err(|_| Refusal::Target)?;
    Ok((body_end(request.headers, request.version == Some(1))?, asks_to_upgrade(request.headers)))
}

/// As hyper decides it: `Transfer-Encoding` goes before any length (RFC 9112, 6.3).
fn body_end(headers: &[httparse::Header<'_>], is_http_11: bool) -> Result<BodyEnd, Refusal> {
    let (mut chunked, mut length) = (None, None);
    for header in headers {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = header.value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
        } else if header.name.eq_ignore_ascii_case("content-length") && chunked.is_none() {
            let number = number(header.value).ok_or(Refusal::Length)?;
            if length.is_some_and(|before| before != number) {
                return Err(Refusal::Length);
            }
            length = Some(number);
        }
    }
    match chunked {
        Some(true) if is_http_11 => Ok(BodyEnd::Chunks),
        Some(_) => Err(Refusal::TransferEncoding),
        None => Ok(BodyEnd::After(length.unwrap_or(0))),
    }
}

/// Digits and nothing else; the last numbers hyper keeps for itself.
fn number(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (number < u64::MAX - 2).then_some(number)
}

fn asks_to_upgrade(headers: &[httparse::Header<'_>]) -> bool {
    headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection")).any(|header| {
        header.value.split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    })
}

#[cfg(test)]
mod tests;
