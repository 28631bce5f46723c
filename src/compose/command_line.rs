//! A command that is one text, split into words as Compose splits it (go-shellwords 1.0.12: quotes, backslashes, and
//! `$(...)` or backticks that stay in their word; no shell).

/// The words of `command: ...`. It ends at an unquoted `;`, `&`, `|`, `<` or `>`, as in Compose: `cut` says so.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub words: Vec<String>,
    /// The character at which the command was cut off.
    pub cut: Option<char>,
}

/// # Errors
/// Where a quote, a backtick or a parenthesis is not closed or not opened, or the text ends in a backslash.
pub fn split(text: &str) -> Result<Words, &'static str> {
    let mut splitter = Splitter::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if splitter.single => splitter.word.push(c),
            '\\' => splitter.push(match chars.next().ok_or("it ends in a backslash")? {
                't' => '\t',
                'n' => '\n',
                other => other,
            }),
            ' ' | '\t' | '\r' | '\n' if !splitter.is_within() => splitter.end_word(),
            ' ' | '\t' | '\r' | '\n' => splitter.word.push(c),
            ';' | '&' | '|' | '<' | '>' if !splitter.is_within() => return Ok(splitter.cut_at(c)),
            _ => splitter.other(c)?,
        }
    }
    splitter.finish()
}

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: String,
    /// Whether there is a word, be it empty.
    in_word: bool,
    single: bool,
    double: bool,
    backtick: bool,
    /// Within `$(...)`.
    dollar: bool,
}

impl Splitter {
    fn is_within(&self) -> bool {
        self.single || self.double || self.backtick || self.dollar
    }

    fn push(&mut self, c: char) {
        self.word.push(c);
        self.in_word = true;
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.in_word) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    /// What is neither white space, nor a backslash, nor an end.
    fn other(&mut self, c: char) -> Result<(), &'static str> {
        let quoted = self.single || self.double;
        match c {
            // A word is there once the quote is closed.
            '"' if !self.single && !self.dollar => {
                self.in_word |= self.double;
                self.double = !self.double;
                return Ok(());
            }
            '\'' if !self.double && !self.dollar => {
                self.in_word |= self.single;
                self.single = !self.single;
                return Ok(());
            }
            '`' if !quoted && !self.dollar => self.backtick = !self.backtick,
            '(' if !quoted && !self.backtick => {
                if self.dollar || !self.word.ends_with('$') {
                    return Err("a ( stands outside of quotes and of $(...)");
                }
                self.dollar = true;
            }
            // One that closes nothing opens, there too.
            ')' if !quoted && !self.backtick => self.dollar = !self.dollar,
            _ => {}
        }
        self.push(c);
        Ok(())
    }

    /// `2>` takes its number with it.
    fn cut_at(mut self, c: char) -> Words {
        if !(c == '>' && self.word.starts_with(|first: char| first.is_ascii_digit())) {
            self.end_word();
        }
        Words { words: self.words, cut: Some(c) }
    }

    fn finish(mut self) -> Result<Words, &'static str> {
        if self.single || self.double {
            return Err("a quote is not closed");
        }
        if self.backtick {
            return Err("a ` is not closed");
        }
        if self.dollar {
            return Err("a parenthesis is not closed, or closes none");
        }
        self.end_word();
        Ok(Words { words: self.words, cut: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap().words
    }

    #[test]
    fn words_quotes_and_backslashes() {
        assert_eq!(words("a 'b c' \"d e\"f \\g"), ["a", "b c", "d ef", "g"]);
        assert_eq!(words("sh -c \"echo '$X' && ls\""), ["sh", "-c", "echo '$X' && ls"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
        assert!(words("").is_empty());
        assert_eq!(split("a b; c").unwrap(), Words { words: vec!["a".into(), "b".into()], cut: Some(';') });
        assert_eq!(split("a 'b").unwrap_err(), "a quote is not closed");
        assert_eq!(split("a \\").unwrap_err(), "it ends in a backslash");
    }

    #[test]
    fn what_a_shell_would_run_stays_in_its_word() {
        assert_eq!(words("sh -c $(cat a b) x"), ["sh", "-c", "$(cat a b)", "x"]);
        assert_eq!(words("echo x$(a; b | c)y"), ["echo", "x$(a; b | c)y"]);
        assert_eq!(words("echo `a b; c` d"), ["echo", "`a b; c`", "d"]);
        assert_eq!(words("echo $(a \"b' c)"), ["echo", "$(a \"b' c)"]);
        assert_eq!(words("echo \"$(a b)\" '`c d`'"), ["echo", "$(a b)", "`c d`"]);
        assert_eq!(words("echo \"(a)\" '(b)' `(c)`"), ["echo", "(a)", "(b)", "`(c)`"]);
    }

    #[test]
    fn what_compose_refuses_is_refused() {
        for (text, why) in [
            ("echo (a)", "a ( stands outside of quotes and of $(...)"),
            ("echo $(a (b))", "a ( stands outside of quotes and of $(...)"),
            ("echo $(a b", "a parenthesis is not closed, or closes none"),
            ("echo a)", "a parenthesis is not closed, or closes none"),
            ("echo `a b", "a ` is not closed"),
        ] {
            assert_eq!(split(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn escapes_and_ends_as_compose_has_them() {
        assert_eq!(words("printf a\\tb\\n \"c\\td\" 'e\\t'"), ["printf", "a\tb\n", "c\td", "e\\t"]);
        // Only these four are white space.
        assert_eq!(words("a\u{c}b c\rd\ne"), ["a\u{c}b", "c", "d", "e"]);
        assert_eq!(
            split("run x 2>/dev/null").unwrap(),
            Words { words: vec!["run".into(), "x".into()], cut: Some('>') }
        );
        assert_eq!(split("run x>y").unwrap().words, ["run", "x"]);
    }
}
