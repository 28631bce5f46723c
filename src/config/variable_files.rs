//! `variable-files`: files with lines `NAME=value`, read line by line or, with `format = "dotenv"`, as Compose reads env files.

use super::check::Check;
use super::variable_file::{Format, Formatted, VariableFile};
use crate::compose::read_env_file;
use crate::model::{Place, Problem};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;

type Values = BTreeMap<String, String>;

impl Check<'_> {
    /// What the files set, the last one winning. `known` wins over all of them, and is seen by those that are read as env files;
    /// so are the files before.
    pub(super) fn variable_files(&mut self, files: &[Spanned<VariableFile>], known: &Values, key: &str) -> Values {
        let mut values = Values::new();
        for file in files {
            let (path, format) = match file.get_ref() {
                VariableFile::Path(path) => (path, None),
                VariableFile::Formatted(Formatted { path, format }) => (path, Some(*format)),
            };
            let path = self.folder.join(path);
            self.files.note(&path);
            match std::fs::read_to_string(&path) {
                Ok(text) => values.extend(self.variable_file(&path, &text, format, (known, &values), key)),
                Err(error) => {
                    let message = format!("the file {} cannot be read: {error}", path.display());
                    self.wrong(file.span().start, key, message);
                }
            }
        }
        values
    }

    fn variable_file(
        &mut self,
        path: &Path,
        text: &str,
        format: Option<Format>,
        (known, earlier): (&Values, &Values),
        key: &str,
    ) -> Values {
        let place = |line| Some(Place { file: path.display().to_string(), line });
        let mut outer = earlier.clone();
        outer.extend(known.clone());
        let as_env_file = read_env_file(text, &outer);
        if format == Some(Format::Dotenv) {
            match as_env_file {
                Ok(read) => {
                    let lines = read.missing.into_iter().map(|(name, line)| {
                        Problem::warning(place(line), key, format!("variable {name} has no value and becomes empty"))
                    });
                    self.warnings.extend(lines);
                    return read.values;
                }
                Err(error) => self.problems.push(Problem::error(place(error.line), key, error.message)),
            }
            return Values::new();
        }
        let lines = match variable_lines(text) {
            Ok(lines) => lines,
            Err((line, message)) => {
                self.problems.push(Problem::error(place(line), key, message));
                return Values::new();
            }
        };
        if format.is_none() {
            let read = as_env_file.map(|read| read.values).map_err(|error| (error.line, error.message));
            let said = differences(&lines, read, known).into_iter();
            self.warnings.extend(said.map(|(line, message)| Problem::warning(place(line), key, message)));
        }
        lines.into_iter().map(|line| (line.name, line.value)).collect()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: u32,
    name: String,
    value: String,
}

/// What would be read otherwise as an env file is read, each with its line, and never with its value.
fn differences(lines: &[Line], as_env_file: Result<Values, (u32, String)>, known: &Values) -> Vec<(u32, String)> {
    const HOW: &str = "it stays as it is until `format = \"dotenv\"` says how, and `format = \"lines\"` keeps it so: \
                       variable-files = [{ path = \"...\", format = \"dotenv\" }]";
    let read = match as_env_file {
        Ok(read) => read,
        Err((line, why)) => {
            return vec![(line, format!("Compose would refuse this file as an env file ({why}); {HOW}"))];
        }
    };
    let last: BTreeMap<&str, &Line> = lines.iter().map(|line| (line.name.as_str(), line)).collect();
    let names: BTreeSet<&str> = last.keys().copied().chain(read.keys().map(String::as_str)).collect();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| !known.contains_key(*name)) {
        match (last.get(name), read.get(name)) {
            (Some(line), value) if value != Some(&line.value) => {
                let message =
                    format!("Compose would read {name} otherwise in an env file (quotes, comments, escapes, $); {HOW}");
                found.push((line.number, message));
            }
            (None, _) => found.push((1, format!("Compose would read a variable {name} in this env file; {HOW}"))),
            _ => {}
        }
    }
    found.sort();
    found
}

/// `NAME=value` lines; blank lines and `#` comments are skipped, `export ` and one pair of quotes are taken off.
fn variable_lines(text: &str) -> Result<Vec<Line>, (u32, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index as u32 + 1;
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // What stands there may be a piece of a secret.
        let Some((name, value)) = line.split_once('=') else {
            let message = "this line is not KEY=value; a value of several lines cannot stand in such a file, give it under `secrets` or `variables` by { file = \"...\" }, or read the file with format = \"dotenv\"";
            return Err((number, message.into()));
        };
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err((number, "what stands before the = of this line is no name; write KEY=value".into()));
        }
        let value = value.trim();
        let quoted = |quote: char| value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote);
        let value = if quoted('"') || quoted('\'') { &value[1..value.len() - 1] } else { value };
        found.push(Line { number, name: name.to_string(), value: value.to_string() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, parse};

    /// The settings with one file of variables, as `entry` names it.
    fn config(text: &str, entry: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.env"), text).unwrap();
        let settings = format!(
            "[projects.shop]\nforge = \"plain\"\nrepository = \"/srv/shop.git\"\nsecret = \"hook\"\n\
             [projects.shop.environments.production]\nbranch = \"main\"\nvariables = {{ HOST = \"db\" }}\n\
             secrets = {{ PASSWORD = \"hunter2\" }}\nvariable-files = [{entry}]\n"
        );
        let read = parse(&settings, &folder.path().join("launchway.toml"));
        read.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn variables(config: &Config) -> Values {
        config.projects.values().next().unwrap().environments.values().next().unwrap().variables.clone()
    }

    fn warnings(config: &Config) -> Vec<String> {
        let lines = config.warnings.iter().map(|problem| {
            let line = problem.place.as_ref().map_or(0, |place| place.line);
            format!("{line}: {}", problem.message.split(';').next().unwrap_or_default())
        });
        lines.collect()
    }

    const TEXT: &str = "PLAIN=a b\nPASS=pa$x #1\nQUOTED=\"a\\nb\" # c\nURL=http://${HOST}:${PORT:-80}/${PASSWORD}\n\
                        export SINGLE='$x #1'\n";

    #[test]
    fn a_file_without_a_format_reads_as_before_and_what_compose_reads_otherwise_is_named() {
        let config = config(TEXT, "\"shop.env\"").unwrap();
        let values = variables(&config);
        assert_eq!(values["PASS"], "pa$x #1");
        assert_eq!(values["QUOTED"], "\"a\\nb\" # c");
        assert_eq!(values["URL"], "http://${HOST}:${PORT:-80}/${PASSWORD}");
        assert_eq!(values["SINGLE"], "$x #1");
        let how = "otherwise in an env file (quotes, comments, escapes, $)";
        let named = ["2: Compose would read PASS", "3: Compose would read QUOTED", "4: Compose would read URL"];
        assert_eq!(warnings(&config), named.map(|name| format!("{name} {how}")));
        let said = config.warnings[0].to_string();
        assert!(said.contains("format = \"dotenv\"") && !said.contains("pa$x"), "{said}");
    }

    #[test]
    fn the_old_reading_can_be_kept_without_a_warning() {
        let config = config(TEXT, "{ path = \"shop.env\", format = \"lines\" }").unwrap();
        assert_eq!(variables(&config)["PASS"], "pa$x #1");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn with_the_format_it_reads_as_an_env_file() {
        let config = config(TEXT, "{ path = \"shop.env\", format = \"dotenv\" }").unwrap();
        let values = variables(&config);
        assert_eq!(values["PLAIN"], "a b");
        assert_eq!(values["PASS"], "pa");
        assert_eq!(values["QUOTED"], "a\nb");
        assert_eq!(values["URL"], "http://db:80/hunter2");
        assert_eq!(values["SINGLE"], "$x #1");
        assert_eq!(warnings(&config), ["2: variable x has no value and becomes empty"]);
    }

    #[test]
    fn mistakes_have_their_line_and_never_the_text() {
        let dotenv = "{ path = \"shop.env\", format = \"dotenv\" }";
        let error = config("A=1\nB=\"hunter2\n", dotenv).unwrap_err();
        assert!(error.starts_with("shop.env:2: ") && !error.contains("hunter2"), "{error}");
        let error = config("A=1\nhunter2\n", "\"shop.env\"").unwrap_err();
        assert!(error.starts_with("shop.env:2: ") && !error.contains("hunter2"), "{error}");
        assert!(config("A=1\n", "{ path = \"shop.env\", format = \"env\" }").is_err());
    }

    #[test]
    fn a_line_that_is_wrong_is_named_by_its_number_and_never_shown() {
        let read = |text| {
            variable_lines(text)
                .map(|lines| lines.into_iter().map(|line| (line.name, line.value)).collect::<Vec<_>>())
                .map_err(|(line, message)| format!("{line}: {message}"))
        };
        assert_eq!(read("export A='1'\n# no\nB = 2"), Ok(vec![("A".into(), "1".into()), ("B".into(), "2".into())]));
        for text in ["A=1\nMIIhunter2hunter2", "A=1\nmy hunter2 = x", "A=1\n=hunter2"] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("2: ") && !error.contains("hunter2"), "{error}");
        }
    }
}
