//! A command that is one text, split into words as Compose splits it (quotes and backslashes, no shell).

/// The words of `command: ...`. It ends at an unquoted `;`, `&`, `|`, `<` or `>`, as in Compose: `cut` says so.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub words: Vec<String>,
    /// The character at which the command was cut off.
    pub cut: Option<char>,
}

/// # Errors
/// Where a quote is not closed, or the text ends in a backslash.
pub fn split(text: &str) -> Result<Words, &'static str> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_word = false;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some('\'')) => word.push(c),
            ('\\', _) => {
                word.push(chars.next().ok_or("it ends in a backslash")?);
                in_word = true;
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                in_word = true;
            }
            (';' | '&' | '|' | '<' | '>', None) => {
                if in_word {
                    words.push(word);
                }
                return Ok(Words { words, cut: Some(c) });
            }
            (c, None) if c.is_ascii_whitespace() => {
                if in_word {
                    words.push(std::mem::take(&mut word));
                    in_word = false;
                }
            }
            (c, None) => {
                word.push(c);
                in_word = true;
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    if in_word {
        words.push(word);
    }
    Ok(Words { words, cut: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_backslashes() {
        let words = |text| split(text).unwrap().words;
        assert_eq!(words("a 'b c' \"d e\"f \\g"), ["a", "b c", "d ef", "g"]);
        assert_eq!(words("sh -c \"echo '$X' && ls\""), ["sh", "-c", "echo '$X' && ls"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
        assert!(words("").is_empty());
        assert_eq!(split("a b; c").unwrap(), Words { words: vec!["a".into(), "b".into()], cut: Some(';') });
        assert!(split("a 'b").is_err());
        assert!(split("a \\").is_err());
    }
}
