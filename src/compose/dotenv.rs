//! `.env` and `env_file`: `NAME=value` lines by the rules of Compose (quotes, `export`, comments, values over several
//! lines, variables within).

use super::interpolate::{InterpolationError, Lookup, interpolate};
use super::spent::Spent;
use crate::model::budgets::TooMuch;
use crate::model::{Mask, looks_secret};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotenvError {
    pub line: u32,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dotenv {
    pub values: BTreeMap<String, String>,
    /// Variables that the file names and that nothing sets, with the line.
    pub missing: Vec<(String, u32)>,
    /// Names of secrets whose value names such a variable: what stands behind a `$` there may be a piece of the secret.
    pub missing_in_secret: Vec<(String, u32)>,
}

/// How values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Compose,
    /// `format: raw` of an `env_file`: everything after `=` is the value.
    Raw,
}

/// Reads a file; `outer` knows the variables that win over those which the file itself sets, and `earlier` holds what the
/// files before it have set: it sees these, and what it sets is put over them.
pub fn parse(
    text: &str,
    format: Format,
    outer: &BTreeMap<String, String>,
    earlier: BTreeMap<String, String>,
    spent: &Spent,
) -> Result<Dotenv, DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let dotenv = Dotenv { values: earlier, ..Dotenv::default() };
    match format {
        Format::Raw => raw(text, outer, dotenv),
        Format::Compose => {
            let mut parser = Parser { rest: text, line: 1, outer, dotenv, spent };
            while parser.statement()? {}
            Ok(parser.dotenv)
        }
    }
}

/// Reads an env file of the server's settings, as Compose reads one of the repository. An error quotes nothing of the file
/// but names.
pub fn read_env_file(text: &str, outer: &BTreeMap<String, String>) -> Result<Dotenv, DotenvError> {
    let read = parse(text, Format::Compose, outer, BTreeMap::new(), &Spent::default());
    read.map_err(|error| DotenvError { message: Mask::default().sentence(&error.message), ..error })
}

fn raw(text: &str, outer: &BTreeMap<String, String>, mut dotenv: Dotenv) -> Result<Dotenv, DotenvError> {
    for (index, line) in text.lines().enumerate() {
        let line_number = index as u32 + 1;
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match trimmed.split_once('=') {
            Some((name, _)) if name.is_empty() || name.contains(char::is_whitespace) => {
                let message = if name.is_empty() { NO_NAME } else { SPACE };
                return Err(DotenvError { line: line_number, message: message.to_string() });
            }
            Some((name, value)) => {
                dotenv.values.insert(name.to_string(), value.to_string());
            }
            None => {
                if let Some(value) = outer.get(trimmed.trim_end()) {
                    dotenv.values.insert(trimmed.trim_end().to_string(), value.clone());
                }
            }
        }
    }
    Ok(dotenv)
}

const NO_NAME: &str = "there is no name before the =; write NAME=value";
const SPACE: &str = "a variable name cannot hold a space; write NAME=value";
const WRONG_CHARACTER: &str = "a variable name holds letters, digits, '_', '.', '-', '[' and ']'; write NAME=value, and a value of several lines in quotes";

struct Parser<'t> {
    rest: &'t str,
    line: u32,
    outer: &'t BTreeMap<String, String>,
    dotenv: Dotenv,
    spent: &'t Spent,
}

struct FileLookup<'t> {
    outer: &'t BTreeMap<String, String>,
    values: &'t BTreeMap<String, String>,
    missing: RefCell<Vec<String>>,
    spent: &'t Spent,
}

impl Lookup for FileLookup<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.outer.get(name).or_else(|| self.values.get(name)).map(String::as_str)
    }
    fn spend(&self, bytes: usize) -> Result<(), TooMuch> {
        self.spent.expanded(bytes)
    }
    fn missing(&self, name: &str) {
        self.missing.borrow_mut().push(name.to_string());
    }
}

/// White space that does not end a line.
fn is_blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

impl<'t> Parser<'t> {
    /// Reads one `NAME=value`; false at the end.
    fn statement(&mut self) -> Result<bool, DotenvError> {
        loop {
            let start = self.rest.trim_start();
            self.skip_to(start);
            if !self.rest.starts_with('#') {
                break;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip_to(&self.rest[end..]);
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        if let Some(after) = self.rest.strip_prefix("export").filter(|after| after.starts_with(is_blank)) {
            self.rest = after.trim_start_matches(is_blank);
        }
        let (name, inherited) = self.name()?;
        if inherited {
            if let Some(value) = self.outer.get(&name) {
                self.dotenv.values.insert(name, value.clone());
            }
            return Ok(true);
        }
        self.rest = self.rest.trim_start_matches(is_blank);
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(&name, quote)?,
            _ => self.unquoted(&name)?,
        };
        self.dotenv.values.insert(name, value);
        Ok(true)
    }

    /// Moves on to `to`, a later part of the rest, counting its lines.
    fn skip_to(&mut self, to: &'t str) {
        let skipped = &self.rest[..self.rest.len() - to.len()];
        self.line += skipped.matches('\n').count() as u32;
        self.rest = to;
    }

    /// The name, and whether it stands alone (then its value is inherited).
    fn name(&mut self) -> Result<(String, bool), DotenvError> {
        let line = self.line;
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let name = self.rest[..end].trim_end().to_string();
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
        if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
            // All of the line may be a piece of a secret: nothing of it is shown.
            let message = if is_blank(bad) { SPACE } else { WRONG_CHARACTER };
            return Err(DotenvError { line, message: message.to_string() });
        }
        if name.is_empty() {
            return Err(DotenvError { line, message: NO_NAME.to_string() });
        }
        let inherited = !self.rest[end..].starts_with(['=', ':']);
        let after = if end < self.rest.len() { end + 1 } else { end };
        self.skip_to(&self.rest[after..]);
        Ok((name, inherited))
    }

    fn unquoted(&mut self, name: &str) -> Result<String, DotenvError> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        let value = line.split(" #").next().unwrap_or_default().trim_end();
        let value = self.expand(name, value)?;
        self.skip_to(&self.rest[end..]);
        Ok(value)
    }

    fn quoted(&mut self, name: &str, quote: char) -> Result<String, DotenvError> {
        let line = self.line;
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                let after = &self.rest[at + 1..];
                let value = if quote == '"' { self.expand(name, &unescape(&value))? } else { value };
                self.skip_to(after);
                return Ok(value);
            }
            if c != '\\' {
                value.push(c);
                continue;
            }
            match chars.next() {
                Some((_, next)) if next == quote => value.push(quote),
                Some((_, next)) => value.extend(['\\', next]),
                None => break,
            }
        }
        Err(DotenvError { line, message: format!("the value that begins here has no closing {quote}") })
    }

    fn expand(&mut self, name: &str, value: &str) -> Result<String, DotenvError> {
        let lookup = FileLookup {
            outer: self.outer,
            values: &self.dotenv.values,
            missing: RefCell::new(Vec::new()),
            spent: self.spent,
        };
        let expanded = interpolate(value, &lookup);
        let missing = lookup.missing.into_inner();
        let is_secret = looks_secret(name);
        match is_secret {
            true if !missing.is_empty() => self.dotenv.missing_in_secret.push((name.to_string(), self.line)),
            _ => self.dotenv.missing.extend(missing.into_iter().map(|name| (name, self.line))),
        }
        expanded.map_err(|error| {
            let message = match error {
                InterpolationError::Required { .. } if is_secret => {
                    format!("a variable that the value of {name} needs has no value")
                }
                // What was no variable may be a piece of a password.
                InterpolationError::Invalid(_) => {
                    "a $ here begins no variable; write $$, or put the value in single quotes".to_string()
                }
                error => error.to_string(),
            };
            DotenvError { line: self.line, message }
        })
    }
}

/// The escapes of double quotes. `\$` becomes `$$`, which interpolation turns into a plain `$`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(next) = after.chars().next() else {
            out.push('\\');
            rest = after;
            break;
        };
        let mut taken = next.len_utf8();
        match next {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            '"' | '\\' => out.push(next),
            '$' => out.push_str("$$"),
            '0' => {
                let digits: String = after[1..].chars().take(3).take_while(|c| ('0'..='7').contains(c)).collect();
                match u8::from_str_radix(&digits, 8) {
                    Ok(byte) if digits.len() == 3 => {
                        out.push(byte as char);
                        taken = 4;
                    }
                    _ => out.push_str("\\0"),
                }
            }
            _ => out.extend(['\\', next]),
        }
        rest = &after[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> BTreeMap<String, String> {
        let outer = BTreeMap::from([("OUTER".to_string(), "out".to_string())]);
        parse(text, Format::Compose, &outer, BTreeMap::new(), &Spent::default()).unwrap().values
    }

    #[test]
    fn values_as_compose_reads_them() {
        let text = "# comment\nA=1\nexport B = two words # note\nC='$A #x'\nD=\"$A\\n\\$A\"\nE=\"over\ntwo lines\"\n\
                    F=${A}-${OUTER}\nOUTER\nGONE\nG: yaml\nH=\nI=a#b\nJ='it\\'s'\n";
        let values = read(text);
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$A #x"),
            ("D", "1\n$A"),
            ("E", "over\ntwo lines"),
            ("F", "1-out"),
            ("OUTER", "out"),
            ("G", "yaml"),
            ("H", ""),
            ("I", "a#b"),
            ("J", "it's"),
        ];
        for (name, value) in expected {
            assert_eq!(values.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(values.len(), expected.len());
    }

    #[test]
    fn mistakes_name_their_line_and_never_the_value() {
        let outer = BTreeMap::new();
        let error = |text| {
            let error = parse(text, Format::Compose, &outer, BTreeMap::new(), &Spent::default()).unwrap_err();
            format!("{}: {}", error.line, error.message)
        };
        assert_eq!(error("A=1\n\nB C=hunter2\n"), "3: a variable name cannot hold a space; write NAME=value");
        assert_eq!(error("A=1\nB=\"hunter2\n"), "2: the value that begins here has no closing \"");
        assert_eq!(
            error("A=hunter${2\n"),
            "1: a $ here begins no variable; write $$, or put the value in single quotes"
        );
        assert_eq!(error("=x"), "1: there is no name before the =; write NAME=value");
        assert!(error("KEY=1\nhunt@er2\n").starts_with("2: a variable name holds letters, digits"));
        assert_eq!(error("KEY=a${hunter:?of 2}\n"), "1: a variable that the value of KEY needs has no value");
        for text in ["hunter 2=x", "=hunter2"] {
            let error = parse(text, Format::Raw, &outer, BTreeMap::new(), &Spent::default()).unwrap_err();
            assert!(!error.message.contains("hunter"), "{}", error.message);
        }
        let read = parse("KEY=a$hunter2\nA=$B\n", Format::Compose, &outer, BTreeMap::new(), &Spent::default()).unwrap();
        assert_eq!(read.missing, [("B".to_string(), 2)]);
        assert_eq!(read.missing_in_secret, [("KEY".to_string(), 1)]);
    }

    #[test]
    fn raw_takes_everything_after_the_equals_sign() {
        let dotenv =
            parse("A='x' # y\n#c\nB=$A\n", Format::Raw, &BTreeMap::new(), BTreeMap::new(), &Spent::default()).unwrap();
        assert_eq!(dotenv.values["A"], "'x' # y");
        assert_eq!(dotenv.values["B"], "$A");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-C=:'\"\\\\$\\{\\}#\n 0-9é]{0,80}") {
            let _ = parse(&text, Format::Compose, &BTreeMap::new(), BTreeMap::new(), &Spent::default());
            let _ = parse(&text, Format::Raw, &BTreeMap::new(), BTreeMap::new(), &Spent::default());
        }
    }
}
