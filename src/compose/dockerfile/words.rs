//! Words of an instruction: quotes, escapes, and what variables stand for. After BuildKit's `shell/lex.go`.

use super::lines::is_blank;
use std::collections::BTreeMap;

/// Stands in a word for what cannot be known: the value of a variable that only a base image may have. No Dockerfile with
/// this character in it is read.
pub const UNKNOWN: char = '\0';

/// Name -> value, as far as it is known.
pub type Values = BTreeMap<String, String>;

/// Split at blanks outside of quotes; quotes and escapes stay in the words.
pub fn words(text: &str, escape: char) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == escape && quote != Some('\'') {
            word.push(c);
            word.extend(chars.next());
            continue;
        }
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if is_blank(c) => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// No name of an image and no address is longer: what is, counts as not known, so that doubling makes nothing large.
const MOST_BYTES: usize = 4096;

/// A word with its variables put in and its quotes taken off. What is not known is [`UNKNOWN`].
///
/// `values`: the first that has a variable gives its value. `missing`: what stands for a variable without one.
pub fn expand(word: &str, values: &[&Values], missing: Option<&str>, escape: char) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, values, missing, escape };
    reader.until(None)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    values: &'a [&'a Values],
    missing: Option<&'a str>,
    escape: char,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += usize::from(next.is_some());
        next
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Up to `stop`, which is taken, too.
    fn until(&mut self, stop: Option<char>) -> String {
        let mut text = String::new();
        let mut is_too_long = false;
        while let Some(c) = self.next() {
            if text.len() > MOST_BYTES {
                is_too_long = true;
                text.clear();
            }
            match c {
                c if Some(c) == stop => break,
                '\'' => {
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        text.push(c);
                    }
                }
                '"' => {
                    while let Some(c) = self.next().filter(|c| *c != '"') {
                        match c {
                            '$' => text.push_str(&self.variable()),
                            c if c == self.escape => match self.next() {
                                Some(next) if next == '"' || next == '$' || next == self.escape => text.push(next),
                                next => {
                                    text.push(c);
                                    text.extend(next);
                                }
                            },
                            c => text.push(c),
                        }
                    }
                }
                '$' => text.push_str(&self.variable()),
                c if c == self.escape => text.extend(self.next()),
                c => text.push(c),
            }
        }
        if is_too_long || text.len() > MOST_BYTES { UNKNOWN.to_string() } else { text }
    }

    fn value(&self, name: &str) -> Option<String> {
        // Which letters belong to a name, nobody should have to agree on.
        if !name.is_ascii() {
            Some(UNKNOWN.to_string())
        } else {
            self.values.iter().find_map(|values| values.get(name)).cloned()
        }
    }

    fn or_missing(&self, value: Option<String>) -> String {
        value.or(self.missing.map(str::to_string)).unwrap_or_else(|| UNKNOWN.to_string())
    }

    /// Behind `$`.
    fn variable(&mut self) -> String {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return "$".to_string();
            }
            return self.or_missing(self.value(&name));
        }
        self.at += 1;
        let name = self.name();
        let value = self.value(&name);
        let is_missing = value.is_none();
        match self.next() {
            Some('}') => self.or_missing(value),
            Some(c @ (':' | '-' | '+' | '?')) => {
                let colon = c == ':';
                let operator = if colon { self.next() } else { Some(c) };
                let word = self.until(Some('}'));
                if is_missing && self.missing.is_none() {
                    return UNKNOWN.to_string();
                }
                let set = value.filter(|value| !colon || !value.is_empty());
                match operator {
                    Some('-') => set.unwrap_or(word),
                    Some('+') => set.map_or_else(String::new, |_| word),
                    Some('?') => set.unwrap_or_default(),
                    _ => UNKNOWN.to_string(),
                }
            }
            // Patterns and what may come yet.
            _ => {
                self.until(Some('}'));
                UNKNOWN.to_string()
            }
        }
    }

    /// A name; `$1` and `$@` have one, too.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(c) = self.peek()
            && matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!')
        {
            self.at += 1;
            return c.to_string();
        }
        while let Some(c) = self.peek().filter(|c| c.is_numeric()) {
            name.push(c);
            self.at += 1;
        }
        if !name.is_empty() {
            return name;
        }
        while let Some(c) = self.peek() {
            let fits = if name.is_empty() { c.is_alphabetic() || c == '_' } else { c.is_alphanumeric() || c == '_' };
            if !fits {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }
}
