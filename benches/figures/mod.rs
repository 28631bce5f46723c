//! What all benches share: rounds, medians with their range, tables, and the arguments.
#![allow(dead_code)] // Each bench is a crate of its own and uses its part.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// `--quick`: few and short rounds, to see that a bench works; its figures mean little.
pub fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// What follows `name` on the command line.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// The command of Compose, found: `COMPOSE_COMMAND`, else `docker compose`, else `docker-compose`.
pub struct Compose {
    command: Vec<String>,
    version: String,
}

impl Compose {
    pub fn find() -> Option<Self> {
        let named = std::env::var("COMPOSE_COMMAND").ok().filter(|text| !text.is_empty());
        let candidates = match &named {
            Some(command) => vec![command.as_str()],
            None => vec!["docker compose", "docker-compose"],
        };
        let found = candidates.into_iter().find_map(|command| {
            let command: Vec<String> = command.split_whitespace().map(String::from).collect();
            let output = Command::new(&command[0]).args(&command[1..]).args(["version", "--short"]).output().ok()?;
            let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
            output.status.success().then_some(Self { command, version })
        });
        if found.is_none() {
            println!("  no Compose here (COMPOSE_COMMAND, docker compose, docker-compose): only our own figures");
        }
        found
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command
    }

    /// `docker compose 2.40.3`
    pub fn name(&self) -> String {
        format!("{} {}", self.command.join(" "), self.version)
    }
}

/// The health check of an app that is a bench in a container: it answers `/health` with 200.
pub fn is_healthy(port: u16) -> ExitCode {
    let asked = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    if asked().is_ok_and(|text| text.contains(" 200 ")) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A folder on the disk that the repository lies on, gone when dropped: `/tmp` is memory on some machines.
pub fn folder() -> tempfile::TempDir {
    let target = env!("CARGO_TARGET_TMPDIR");
    std::fs::create_dir_all(target).expect("the build's own folder");
    tempfile::Builder::new().prefix("bench-").tempdir_in(target).expect("a folder to measure in")
}

/// One figure, measured once in each round.
#[derive(Debug, Clone, Default)]
pub struct Figure(Vec<f64>);

impl Figure {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn add_time(&mut self, time: Duration) {
        self.add(time.as_secs_f64());
    }

    pub fn last(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        percentile(&mut self.0.clone(), 50.0)
    }

    /// `median (lowest-highest)`.
    pub fn text(&self, decimals: usize) -> String {
        if self.0.is_empty() {
            return "-".into();
        }
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.decimals$} ({low:.decimals$}-{high:.decimals$})", self.median())
    }
}

/// The value that `percent` of all values do not exceed (nearest rank; the lower middle for an even number).
pub fn percentile(values: &mut [f64], percent: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// A table for people: the first row is its head.
pub fn print_table(title: &str, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    println!("\n{title}");
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, text)| match column {
                0 => format!("{text:<width$}", width = widths[0]),
                _ => format!("{text:>width$}", width = widths[column]),
            })
            .collect();
        println!("  {}", cells.join("  "));
        if number == 0 {
            println!("  {}", "-".repeat(widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1)));
        }
    }
}

/// A row of a table.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| cell.to_string()).collect()
}

/// CPU seconds that a process has used, as Linux counts them (in hundredths).
pub fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything and ends in the last bracket: utime and stime are fields 14 and 15.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
