//! docs/commands.md: what is below the mark there is written from clap's own definition.

use crate::{repository, text_of};
use clap::{Arg, ArgAction, Command, CommandFactory};
use launchway::cli::command_line::CommandLine;
use std::fmt::Write;

const PAGE: &str = "docs/commands.md";
const MARK: &str =
    "<!-- Written by `LAUNCHWAY_WRITE_DOCS=1 make test T=the_reference`: change the commands' own words instead. -->\n";

#[test]
fn the_reference_of_the_commands_is_what_they_take() {
    let mut command = CommandLine::command();
    command.build();
    let mut written = String::new();
    for command in command.get_subcommands().filter(|command| is_shown(command)) {
        describe(command, &mut written);
    }
    let page = text_of(PAGE);
    let (before, below) = page.split_once(MARK).unwrap_or_else(|| panic!("{PAGE} has no mark: {MARK}"));
    if std::env::var_os("LAUNCHWAY_WRITE_DOCS").is_some() {
        std::fs::write(repository(PAGE), format!("{before}{MARK}{written}")).unwrap();
        return;
    }
    assert!(
        below == written,
        "{PAGE} says something else than the commands do: LAUNCHWAY_WRITE_DOCS=1 make test T=the_reference"
    );
}

fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

/// A command, or those below it where it has some.
fn describe(command: &Command, out: &mut String) {
    let below: Vec<&Command> = command.get_subcommands().filter(|command| is_shown(command)).collect();
    if !below.is_empty() {
        return below.into_iter().for_each(|command| describe(command, out));
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let about = about.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let about = about.split_once("\n\n").map_or(format!("{about}."), |(first, rest)| format!("{first}.\n\n{rest}"));
    write!(out, "\n### `{name}`\n\n{about}\n").unwrap();
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_hide_set() && !is_everywhere(arg)).collect();
    if !arguments.is_empty() {
        out.push_str("\n| argument | |\n|---|---|\n");
    }
    for arg in arguments {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let help = help.replace('\n', " ").replace('|', "\\|");
        let variable = arg.get_env().map(|name| format!(" (else the variable `{}`)", name.to_string_lossy()));
        let variable = variable.unwrap_or_default();
        writeln!(out, "| `{}` | {help}{variable}{} |", form(arg), default(arg)).unwrap();
    }
}

/// `--config` and `--help`, which every command takes.
fn is_everywhere(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "config" | "help" | "version")
}

/// How it is typed: `-p, --project NAME`, `[PATH]`, `FILE`.
fn form(arg: &Arg) -> String {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values =
        arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    let value = if values.is_empty() { arg.get_id().as_str().to_uppercase() } else { values };
    if arg.is_positional() {
        return if arg.is_required_set() { value } else { format!("[{value}]") };
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes { format!("{names} {value}") } else { names }
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if values.is_empty() || !takes { String::new() } else { format!(" (default: {})", values.join(" ")) }
}
