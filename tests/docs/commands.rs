//! Lines of shell in the documents: what is typed after `launchway` is something that it takes, and `make` has the target.

use crate::markdown::documents;
use crate::{nothing_is_wrong, text_of};
use clap::CommandFactory;
use clap::error::ErrorKind;
use launchway::cli::command_line::CommandLine;

#[test]
fn every_command_of_the_documents_can_be_typed() {
    let mut wrong = Vec::new();
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.is(&["sh", "console"])) {
            let prompt = block.is(&["console"]);
            for (offset, line) in lines(&block.text, prompt) {
                for why in problems(&line, false) {
                    wrong.push(format!("{}:{}: {line}: {why}", document.path, block.line + offset));
                }
            }
        }
        for span in document.spans.iter().filter(|span| span.text.starts_with("launchway ")) {
            for why in problems(&span.text, true) {
                wrong.push(format!("{}:{}: {}: {why}", document.path, span.line, span.text));
            }
        }
    }
    nothing_is_wrong(&wrong);
}

/// The commands of a block with the offset of their first line; in a console's, what follows a prompt.
fn lines(text: &str, prompt: bool) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = match line.strip_prefix("$ ") {
            _ if goes_on => line,
            Some(typed) if prompt => typed,
            None if prompt => continue,
            _ => line,
        };
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match found.last_mut() {
            Some((_, before)) if goes_on => before.push_str(part),
            _ => found.push((index + 1, part.to_string())),
        }
        goes_on = more;
    }
    found
}

/// What is wrong with a line. `mentioned`: it stands in a sentence, where a command may be named without what it needs.
fn problems(line: &str, mentioned: bool) -> Vec<String> {
    let Some(words) = shlex::split(line) else { return vec!["its quotes are not closed".into()] };
    let mut wrong = Vec::new();
    for command in words.split(|word| matches!(word.as_str(), "&&" | "||" | "|" | ";" | "&")) {
        wrong.extend(problem(command, mentioned));
    }
    wrong
}

fn problem(command: &[String], mentioned: bool) -> Option<String> {
    let is_assignment = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    let mut words: Vec<&String> = command.iter().skip_while(is_assignment).collect();
    // What the shell keeps to itself.
    if let Some(end) = words.iter().position(|word| word.trim_start_matches(['1', '2']).starts_with(['>', '<'])) {
        words.truncate(end);
    }
    if words.first().is_some_and(|word| *word == "sudo") {
        words.remove(0);
    }
    if words.first().is_some_and(|word| *word == "make") {
        return words.iter().skip(1).find_map(|word| no_target(word));
    }
    // `docker compose exec SERVICE launchway ...`
    let inside = words.iter().position(|word| *word == "exec").filter(|_| words[0] == "docker");
    let words = &words[inside.map_or(0, |exec| (exec + 2).min(words.len()))..];
    let is_ours = |word: &String| word == "launchway" || word.ends_with("/launchway");
    if !words.first().is_some_and(|word| is_ours(word)) {
        return None;
    }
    let error = CommandLine::command().try_get_matches_from(words).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if mentioned => None,
        _ => Some(error.to_string().lines().next().unwrap_or_default().to_string()),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn no_target(word: &str) -> Option<String> {
    let targets = text_of("Makefile");
    let is_target = |word: &str| targets.lines().any(|line| line.starts_with(&format!("{word}:")));
    (!word.contains('=') && !is_target(word)).then(|| format!("the Makefile has no target {word}"))
}

#[test]
fn a_wrong_command_is_noticed_wherever_it_stands() {
    for line in [
        "launchway deploi",
        "sudo launchway status --drif",
        "docker compose exec launchway launchway rollback --to x",
        "cd /srv && A=b target/release/launchway serve --config x --port 1 > log",
        "make tets",
    ] {
        assert_eq!(problems(line, false).len(), 1, "{line}");
    }
    for line in ["launchway status --json | jq .", "launchway --help", "launchway logs -f 2> log", "make test T=docs"] {
        assert!(problems(line, false).is_empty(), "{line}: {:?}", problems(line, false));
    }
    assert!(problems("launchway backup", true).is_empty() && !problems("launchway backup", false).is_empty());
}
