//! Text from a stranger as text for a person: commit subjects, branch names, logs, errors, whatever somebody else wrote.
//!
//! A terminal obeys escape sequences, and a reader is deceived by text that runs backwards, hides, or overwrites its line.
//! So nothing of that leaves as such: colours are dropped, and what else steers or hides is shown by its name. The result
//! holds no control characters but line breaks and tabs, and doing it twice changes nothing more.

use super::quoted::is_mark;
use std::borrow::Cow;

/// A sequence that is longer is no colour and no link: it is shown.
const LONGEST_SEQUENCE: usize = 4_096;

/// Text of several lines: line breaks and tabs stay. Colours and other sequences of a terminal are dropped whole; a control
/// character that stands alone is shown by its picture (`␛`), what is invisible or turns the direction as `<U+202E>`. The marks
/// of what is [`super::Quoted`] are dropped.
pub fn plain(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_suspicious) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    let mut at = first;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, instead) = match c {
            '\u{1b}' | '\u{80}'..='\u{9f}' => match sequence(rest) {
                Some(length) => (length, Instead::Nothing),
                None => (c.len_utf8(), Instead::Name(c)),
            },
            '\r' if rest[1..].starts_with('\n') => (1, Instead::Nothing),
            c if is_mark(c) => (c.len_utf8(), Instead::Nothing),
            '\u{200c}' | '\u{200d}' if joins(&text[..at], &rest[c.len_utf8()..]) => (c.len_utf8(), Instead::Itself),
            c if is_suspicious(c) => (c.len_utf8(), Instead::Name(c)),
            c => (c.len_utf8(), Instead::Itself),
        };
        match instead {
            Instead::Itself => {}
            instead => {
                out.push_str(&text[copied..at]);
                copied = at + length;
                if let Instead::Name(c) = instead {
                    push_name(&mut out, c);
                }
            }
        }
        at += length;
        // On to the next that matters.
        match text[at..].find(is_suspicious) {
            Some(next) => at += next,
            None => break,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The same as one line: for a subject, a name, a row.
pub fn plain_line(text: &str) -> Cow<'_, str> {
    let text = plain(text);
    match text.contains(['\n', '\t']) {
        true => Cow::Owned(text.trim_end_matches('\n').replace(['\n', '\t'], " ")),
        false => text,
    }
}

/// Our own output with our own colours: those stay (`ESC [ digits ; m`), all else is as [`plain`] makes it.
pub fn plain_but_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let parameters = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        let end = rest.len() - parameters.len();
        match parameters.starts_with('m') {
            true => {
                out.push_str(&plain(&rest[..at]));
                out.push_str(&rest[at..=end]);
                rest = &rest[end + 1..];
            }
            false => {
                // As far as it is surely no colour: the sequence stays whole, so that it goes whole.
                let next = rest[at + 2..].find("\u{1b}[").map_or(rest.len(), |next| at + 2 + next);
                out.push_str(&plain(&rest[..next]));
                rest = &rest[next..];
            }
        }
    }
    out.push_str(&plain(rest));
    out
}

/// JSON text that says the same: what steers or hides is written as `\u202e`, which JSON allows in strings, and such a
/// character can stand nowhere else in it. The marks of what is [`super::Quoted`] are dropped.
pub fn plain_json(json: &str) -> Cow<'_, str> {
    let steers = |c: char| !matches!(c, '\n' | '\r' | '\t') && is_suspicious(c);
    if !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars().filter(|c| !is_mark(*c)) {
        match steers(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Every text in a piece of JSON, keys too, as [`plain`] makes it.
pub fn plain_strings(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Cow::Owned(changed) = plain(text) {
                *text = changed;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(plain_strings),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains(is_suspicious)) {
                *fields = std::mem::take(fields).into_iter().map(|(k, v)| (plain(&k).into_owned(), v)).collect();
            }
            fields.values_mut().for_each(plain_strings);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

enum Instead {
    Itself,
    Nothing,
    Name(char),
}

/// What must not reach a reader as such. Line feed and tab are not among them.
fn is_suspicious(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c < ' ' => true,
        // Most text ends here.
        c if c < '\u{7f}' => false,
        '\u{7f}'..='\u{9f}' => true,
        c => is_hidden(c),
    }
}

/// Takes no room of its own, looks like nothing, or changes the order in which others are read. (Unicode's
/// Default_Ignorable_Code_Point, without the selectors that make emoji of signs, and the line and paragraph separators.)
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fdd0}' | '\u{fdd1}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Between letters of other scripts, or emoji, a joiner makes them what they are (a family, a Persian plural).
fn joins(before: &str, after: &str) -> bool {
    let writes = |c: Option<char>| c.is_some_and(|c| c > '\u{9f}' && !is_hidden(c) && !c.is_whitespace());
    writes(before.chars().next_back()) && writes(after.chars().next())
}

/// The length of the sequence that the text begins with, where a terminal would obey it and show nothing (ECMA-48): a
/// control sequence (colours, movements), a control string (titles, links), or a choice of characters (`ESC ( B`).
fn sequence(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (kind, begins) = match bytes {
        [0x1b, kind, ..] => (*kind, 2),
        // The same as one character, whose second byte is the two-character form's second plus 0x40.
        [0xc2, c1, ..] => (c1.checked_sub(0x40)?, 2),
        _ => return None,
    };
    match kind {
        b'[' => {
            let parameters = bytes[begins..].iter().take_while(|b| (0x20..=0x3f).contains(*b)).count();
            let end = begins + parameters;
            (parameters <= 64 && bytes.get(end).is_some_and(|b| (0x40..=0x7e).contains(b))).then_some(end + 1)
        }
        // Device control, start of string, operating system command, privacy message, application program command.
        b'P' | b'X' | b']' | b'^' | b'_' => {
            let mut within = text[begins..].char_indices().take_while(|(at, c)| *at < LONGEST_SEQUENCE && *c != '\n');
            let (at, end) = within.find(|(_, c)| matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}'))?;
            let at = begins + at;
            match end {
                '\u{1b}' => bytes[at..].starts_with(b"\x1b\\").then_some(at + 2),
                end => Some(at + end.len_utf8()),
            }
        }
        0x20..=0x2f if bytes[0] == 0x1b => {
            let intermediate = bytes[1..].iter().take_while(|b| (0x20..=0x2f).contains(*b)).count();
            let end = 1 + intermediate;
            (intermediate <= 4 && bytes.get(end).is_some_and(|b| (0x30..=0x7e).contains(b))).then_some(end + 1)
        }
        _ => None,
    }
}

fn push_name(out: &mut String, c: char) {
    match c {
        // The pictures of control characters stand in their order.
        c if c < ' ' => out.extend(char::from_u32(0x2400 + c as u32)),
        '\u{7f}' => out.push('\u{2421}'),
        c => out.push_str(&format!("<U+{:04X}>", c as u32)),
    }
}

#[cfg(test)]
mod tests;
