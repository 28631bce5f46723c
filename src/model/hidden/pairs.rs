//! Names with values in a text of whatever format: `NAME=value`, `name: value`, `"name": "value"`, `?name=value&`.

/// A name's longest: what is longer is no name, but the text itself.
const LONGEST_NAME: usize = 64;
/// Of a value that begins in the middle of a line, so many bytes count. Values there lie within each other, and a commit can
/// write a million of them into one line.
const LONGEST_WITHIN: usize = 2_048;

/// A value under a name in a text. What the value is, is looked for where somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'t> {
    pub name: &'t str,
    /// The name is the first thing in its line, as the keys of a settings file are. Elsewhere it may be a piece of something.
    pub begins_line: bool,
    /// Where it begins in the text's memory.
    at: usize,
    after: &'t str,
    to_the_end: bool,
}

impl<'t> Pair<'t> {
    /// Never empty.
    pub fn value(&self) -> &'t str {
        value(self.after, self.to_the_end)
    }

    /// Whether it lies within the value of another pair of the same text.
    pub fn is_within(&self, other: &Pair<'_>) -> bool {
        let value = other.value();
        let begins = value.as_ptr() as usize;
        (begins..begins + value.len()).contains(&self.at)
    }
}

/// Every pair of a file. A value without quotes ends with its line where the name begins it, else where a separator comes.
pub fn pairs(text: &str) -> impl Iterator<Item = Pair<'_>> {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| pairs_of_line(line, true))
}

/// Every pair of a value, such as a connection string: each value without quotes ends where a separator comes.
pub fn pairs_within(value: &str) -> impl Iterator<Item = Pair<'_>> {
    value.lines().flat_map(|line| pairs_of_line(line, false))
}

/// `to_the_end`: what is said of a whole line.
fn pairs_of_line(line: &str, to_the_end: bool) -> impl Iterator<Item = Pair<'_>> {
    let indent = line.len() - line.trim_start_matches(is_of_beginning).len();
    line.match_indices(['=', ':']).filter_map(move |(at, _)| {
        let (before, after) = (line[..at].trim_end(), &line[at + 1..]);
        let before = before.strip_suffix(['"', '\'']).unwrap_or(before);
        let begins = before.rfind(|c: char| !is_of_name(c)).map_or(0, |at| {
            let last = before[at..].chars().next().map_or(0, char::len_utf8);
            at + last
        });
        let name = before[begins..].trim_start_matches(['-', '.']);
        if name.is_empty() || name.len() > LONGEST_NAME {
            return None;
        }
        let first = &line[indent.min(begins)..begins];
        let begins_line = first.is_empty() || first.trim_end() == "export";
        let after = after.strip_prefix('>').unwrap_or(after).trim_start();
        let to_the_end = begins_line && to_the_end;
        let pair = Pair { name, begins_line, at: name.as_ptr() as usize, after, to_the_end };
        (!value(cut(after, LONGEST_NAME), to_the_end).is_empty()).then_some(pair)
    })
}

/// What may stand before the first name of a line.
fn is_of_beginning(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '"' | '\'' | '{' | ',')
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn value(text: &str, to_the_end: bool) -> &str {
    let text = if to_the_end { text } else { cut(text, LONGEST_WITHIN) };
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        let inside = &text[1..];
        let mut is_escaped = false;
        let end = inside.find(|c| {
            let ends = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        return &inside[..end.unwrap_or(inside.len())];
    }
    let text = if to_the_end { text.split(" #").next().unwrap_or_default() } else { text };
    let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | ',' | '"' | '\'' | ')' | '}' | ']' | '>');
    let end = if to_the_end { text.len() } else { text.find(ends).unwrap_or(text.len()) };
    text[..end].trim().trim_end_matches([',', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(&str, &str, bool)> {
        pairs(text).map(|pair| (pair.name, pair.value(), pair.begins_line)).collect()
    }

    #[test]
    fn pairs_are_found_in_the_usual_formats() {
        assert_eq!(found("export API_KEY=a=b; c # note"), [("API_KEY", "a=b; c", true), ("a", "b", false)]);
        assert_eq!(found("# API_KEY=old\napi_key: 'it''s'"), [("api_key", "it", true)]);
        assert_eq!(
            found(r#"{"a": 1, "apiKey": "x\"y", "n": {"token":"z"}}"#),
            [
                ("a", "1, \"apiKey\": \"x\\\"y\", \"n\": {\"token\":\"z\"}}", true),
                ("apiKey", "x\\\"y", false),
                ("n", "{", false),
                ("token", "z", false)
            ]
        );
        assert_eq!(found("  - password = swordfish,"), [("password", "swordfish", true)]);
        assert_eq!(found("//r.example.com/:_authToken=npm_1"), [("_authToken", "npm_1", false)]);
        assert_eq!(
            found("jdbc:x://h/db?user=u&password=p;ssl=1"),
            [
                ("jdbc", "x://h/db?user=u&password=p;ssl=1", true),
                ("x", "//h/db?user=u", false),
                ("user", "u", false),
                ("password", "p", false),
                ("ssl", "1", false)
            ]
        );
        assert_eq!(found(&format!("{}=x", "a".repeat(65))), []);
        let within: Vec<&str> = pairs_within("password=p;host=h user=u").map(|pair| pair.value()).collect();
        assert_eq!(within, ["p", "h", "u"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "(\\PC|[=:\"'\\\\ü]|\n){0,60}") {
            for pair in pairs(&text) {
                prop_assert!(!pair.name.is_empty() && !pair.value().is_empty());
            }
        }
    }
}
