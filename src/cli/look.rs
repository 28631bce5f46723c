//! How the command line looks: tables that fit the terminal, colours where they are wanted, times for people.

use crate::model::{DeploymentState, plain, plain_but_colours, plain_json};
use crate::report::texts;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// What standard output is.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub is_terminal: bool,
    pub colour: bool,
    /// Columns, where they are not the terminal's own.
    pub width: Option<u16>,
}

impl Look {
    /// With colours where a terminal shows what is printed.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_terminal, colour: is_terminal && !set("NO_COLOR") && !dumb, width: None }
    }

    /// As it goes into a file or a pipe.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { is_terminal: false, colour: false, width: None }
    }

    /// A table without lines, as wide as the terminal.
    pub fn table(&self, headings: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if !self.is_terminal {
            table.force_no_tty();
        }
        if self.colour {
            table.enforce_styling();
        }
        if let Some(width) = self.width {
            table.set_width(width);
        }
        // A terminal that does not know its width says 0: one letter a line helps nobody.
        if table.width() == Some(0) {
            table.set_width(80);
        }
        table.set_header(headings.iter().map(|heading| Cell::new(heading.to_uppercase())));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }

    /// A cell of it.
    pub fn cell(&self, text: impl Into<String>, mood: Mood) -> Cell {
        let cell = Cell::new(text.into());
        match mood {
            Mood::Good if self.colour => cell.fg(Color::Green),
            Mood::Bad if self.colour => cell.fg(Color::Red),
            Mood::Busy if self.colour => cell.fg(Color::Blue),
            Mood::Dim if self.colour => cell.fg(Color::DarkGrey),
            _ => cell,
        }
    }
}

/// What a text is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    Bad,
    Busy,
    Dim,
    Plain,
}

/// What a deployment's state is to look like.
pub fn mood(state: DeploymentState) -> Mood {
    use DeploymentState::*;
    match state {
        Succeeded => Mood::Good,
        Failed | RolledBack => Mood::Bad,
        Waiting | Cancelled | Superseded => Mood::Dim,
        Preparing | Building | Deploying | Monitoring | PuttingBack => Mood::Busy,
    }
}

/// What a deployment does or became, in one sentence. How it ended stands before it where the sentence does not begin with that.
pub fn told(state: DeploymentState, description: &str) -> String {
    use DeploymentState::*;
    match state {
        Succeeded => format!("Succeeded: {description}"),
        Failed => format!("Failed: {description}"),
        RolledBack => format!("Rolled back: {description}"),
        Waiting | Preparing | Building | Deploying | Monitoring | PuttingBack | Cancelled | Superseded => {
            description.to_string()
        }
    }
}

/// The table as text, without the spaces that fill its last column.
pub fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// `3 min ago`
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - then.as_second();
    match seconds {
        ..=1 => "just now".into(),
        2..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..172_800 => "1 day ago".into(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// `1.2 s`
pub fn duration(milliseconds: i64) -> String {
    texts::duration(Duration::from_millis(milliseconds.max(0) as u64))
}

/// Prints, or says that nobody reads any more. Of what steers a terminal only our own colours get through, where there are
/// any.
pub fn print(text: &str) -> anyhow::Result<()> {
    match Look::of_stdout().colour {
        true => write(&plain_but_colours(text)),
        false => write(&plain(text)),
    }
}

/// Prints a value as JSON over several lines.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    write(&plain_json(&(serde_json::to_string_pretty(value)? + "\n")))
}

/// One JSON object on one line.
pub fn print_json_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    write(&plain_json(&(serde_json::to_string(value)? + "\n")))
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let told: Vec<String> =
            [1, 5, 60, 3_599, 3_600, 90_000, 200_000].iter().map(|seconds| ago(at(0), at(*seconds))).collect();
        assert_eq!(told, ["just now", "5 s ago", "1 min ago", "59 min ago", "1 h ago", "1 day ago", "2 days ago"]);
    }
}
