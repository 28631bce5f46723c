//! `$NAME`, `${NAME}`, `${NAME:-default}` and their relatives, as Compose substitutes them in values.

use crate::model::Quoted;
use crate::model::budgets::{self, TooMuch};
use std::borrow::Cow;

/// The variables that a text may name.
pub trait Lookup {
    fn get(&self, name: &str) -> Option<&str>;
    /// Called before a value of so many bytes is put in.
    fn spend(&self, bytes: usize) -> Result<(), TooMuch>;
    /// Called for a variable that has no value and no default: it becomes empty.
    fn missing(&self, name: &str);
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    #[error("{:?} is not a variable: write ${{NAME}}, ${{NAME:-default}} or ${{NAME:?why}}, and $$ for a plain $", Quoted(.0))]
    Invalid(String),
    #[error("variable {name} has no value{}", if .why.is_empty() { String::new() } else { format!(": {}", Quoted(.why)) })]
    Required { name: String, why: String },
    #[error("the defaults of its variables nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
}

const MAX_DEPTH: usize = 32;

/// The text with every variable replaced.
///
/// # Errors
/// For what is no variable after a `$`, and for `${NAME:?why}` without a value.
pub fn interpolate(text: &str, lookup: &dyn Lookup) -> Result<String, InterpolationError> {
    substitute(text, lookup, 0)
}

/// Puts a value in, which may be the thousandth of a text that names it thousands of times.
fn put(out: &mut String, value: &str, lookup: &dyn Lookup) -> Result<(), InterpolationError> {
    lookup.spend(value.len())?;
    let bytes = out.len() + value.len();
    budgets::VALUE_BYTES.check(bytes as u64, format_args!("a value of {bytes} bytes with its variables put in"))?;
    out.push_str(value);
    Ok(())
}

fn substitute(text: &str, lookup: &dyn Lookup, depth: usize) -> Result<String, InterpolationError> {
    if depth > MAX_DEPTH {
        return Err(InterpolationError::TooDeep);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing_brace(after).ok_or_else(|| InterpolationError::Invalid(format!("${rest}")))?;
            put(&mut out, &braced(&after[..end], lookup, depth)?, lookup)?;
            rest = &after[end + 1..];
        } else {
            let name = &rest[..name_length(rest)];
            if name.is_empty() {
                // Compose leaves a `$` before anything else alone (`$1`, `$(cmd)`, a `$` at the end).
                out.push('$');
                continue;
            }
            put(&mut out, value_or_empty(name, lookup), lookup)?;
            rest = &rest[name.len()..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces: a name, and perhaps an operator with its word.
fn braced<'l>(inside: &str, lookup: &'l dyn Lookup, depth: usize) -> Result<Cow<'l, str>, InterpolationError> {
    let name = &inside[..name_length(inside)];
    let tail = &inside[name.len()..];
    let invalid = || InterpolationError::Invalid(format!("${{{inside}}}"));
    if name.is_empty() {
        return Err(invalid());
    }
    if tail.is_empty() {
        return Ok(value_or_empty(name, lookup).into());
    }
    let (empty_counts_as_missing, tail) = match tail.strip_prefix(':') {
        Some(tail) => (true, tail),
        None => (false, tail),
    };
    let value = lookup.get(name).filter(|value| !(empty_counts_as_missing && value.is_empty()));
    let mut chars = tail.chars();
    let operator = chars.next();
    let word = substitute_if(chars.as_str(), operator.is_some(), lookup, depth)?;
    match (operator, value) {
        (Some('-'), Some(value)) | (Some('?'), Some(value)) => Ok(value.into()),
        (Some('-'), None) => Ok(word.into()),
        (Some('+'), Some(_)) => Ok(word.into()),
        (Some('+'), None) => Ok("".into()),
        (Some('?'), None) => Err(InterpolationError::Required { name: name.to_string(), why: word }),
        _ => Err(invalid()),
    }
}

fn substitute_if(word: &str, wanted: bool, lookup: &dyn Lookup, depth: usize) -> Result<String, InterpolationError> {
    if wanted { substitute(word, lookup, depth + 1) } else { Ok(String::new()) }
}

fn value_or_empty<'l>(name: &str, lookup: &'l dyn Lookup) -> &'l str {
    lookup.get(name).unwrap_or_else(|| {
        lookup.missing(name);
        ""
    })
}

/// Bytes of the variable's name at the start: letters, digits and `_`, not starting with a digit.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where the brace that was opened before `text` is closed; `${` inside opens another.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plain;
    use proptest::prelude::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Vars(RefCell<Vec<String>>);

    impl Lookup for Vars {
        fn get(&self, name: &str) -> Option<&str> {
            match name {
                "SET" => Some("value"),
                "EMPTY" => Some(""),
                "DOLLAR" => Some("$SET"),
                _ => None,
            }
        }
        fn spend(&self, _bytes: usize) -> Result<(), TooMuch> {
            Ok(())
        }
        fn missing(&self, name: &str) {
            self.0.borrow_mut().push(name.to_string());
        }
    }

    fn run(text: &str) -> String {
        interpolate(text, &Vars::default()).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn every_form_of_compose() {
        let cases = [
            ("a $SET b", "a value b"),
            ("${SET}x", "valuex"),
            ("$SET_x", ""),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${UNSET-d}", "d"),
            ("${UNSET:-${SET}-${EMPTY:-e}}", "value-e"),
            ("${SET:+yes}", "yes"),
            ("${EMPTY:+yes}", ""),
            ("${EMPTY+yes}", "yes"),
            ("${UNSET+yes}", ""),
            ("${SET:?no}", "value"),
            ("${EMPTY?no}", ""),
            ("$$SET $${SET}", "$SET ${SET}"),
            ("$DOLLAR", "$SET"),
            ("cost: 5$", "cost: 5$"),
            ("$1 $(cmd)", "$1 $(cmd)"),
            ("${UNSET:-a:b-c?d}", "a:b-c?d"),
            ("${UNSET:?set $SET first}", "error: variable UNSET has no value: set value first"),
            ("${UNSET?}", "error: variable UNSET has no value"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(&run(text)), expected, "{text}");
        }
        for bad in ["${", "${}", "${SET", "${1}", "${SET!x}", "${SET:}", "${ SET}"] {
            assert!(run(bad).starts_with("error: "), "{bad}: {}", run(bad));
        }
    }

    #[test]
    fn a_variable_without_a_value_is_told_and_empty() {
        let vars = Vars::default();
        assert_eq!(interpolate("<$GONE>", &vars).unwrap(), "<>");
        assert_eq!(*vars.0.borrow(), ["GONE"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[$\\{\\}:?+\\-a-zSET é]{0,60}") {
            let _ = interpolate(&text, &Vars::default());
        }
        #[test]
        fn text_without_a_dollar_stays(text in "[^$]{0,60}") {
            prop_assert_eq!(interpolate(&text, &Vars::default()).unwrap(), text);
        }
    }
}
