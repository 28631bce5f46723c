//! What processes say on standard error: the log of those that go on running, and the last words of a panic. Texts of
//! strangers are in it, and errors that may quote a secret: both leave as they leave everywhere else.

use crate::model::{Mask, Secret, plain};
use arc_swap::ArcSwap;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Debug};
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// A log outlives every change of the settings.
static MASK: LazyLock<ArcSwap<Mask>> = LazyLock::new(ArcSwap::default);

/// What is secret from now on, in place of what was.
pub(super) fn hide<'a>(secrets: impl IntoIterator<Item = &'a Secret>) {
    hide_by(&Mask::new(secrets));
}

/// The same of a mask: a server's hides what containers hold, too.
pub(super) fn hide_by(mask: &Mask) {
    MASK.store(mask.clone().into());
}

/// The log of a process that goes on running, on standard error.
pub(super) fn start_log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAUNCHWAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // At debug, bollard writes whole requests, and with them the apps' secrets.
    let filter = match "bollard=info".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_ansi(colour).with_env_filter(filter).with_target(false);
    match json {
        true => log.json().with_writer(|| JsonLines(io::stderr())).init(),
        false => log.fmt_fields(PlainFields).with_writer(io::stderr).init(),
    }
}

/// The last words of a panic, as the standard library says them, but masked and plain: a panic may quote what it met.
pub fn set_up_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = match backtrace.status() {
            BacktraceStatus::Captured => format!("\nstack backtrace:\n{backtrace}"),
            _ => String::new(),
        };
        let thread = std::thread::current();
        let text = format!("thread '{}' {panic}{backtrace}\n", thread.name().unwrap_or("<unnamed>"));
        let _ = io::stderr().write_all(MASK.load().apply(&text).as_bytes());
    }));
}

/// `message name=value`, each a sentence without secrets and plain, so that the colours of the log are its own. Further lines of a value
/// begin with a bar: nobody else's text can look like a line of the log.
struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut written = Written { writer, is_first: true, result: Ok(()) };
        fields.record(&mut written);
        written.result
    }
}

struct Written<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Visit for Written<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Before it is put in quotes, where marks would be escaped.
        let value = MASK.load().sentence(value);
        match field.name() {
            "message" => self.write(field, &value),
            _ => self.write(field, &format!("{value:?}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, &MASK.load().sentence(&format!("{value:?}")));
    }
}

impl Written<'_> {
    fn write(&mut self, field: &Field, value: &str) {
        if self.result.is_err() {
            return;
        }
        let value = value.replace('\n', "\n  | ");
        let before = if std::mem::take(&mut self.is_first) { "" } else { " " };
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.result = match (name, self.writer.has_ansi_escapes()) {
            ("message", _) => write!(self.writer, "{before}{value}"),
            (name, true) => write!(self.writer, "{before}\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
            (name, false) => write!(self.writer, "{before}{name}={value}"),
        };
    }
}

/// One JSON object a line, its texts sentences without secrets and plain.
struct JsonLines<W>(W);

impl<W: Write> Write for JsonLines<W> {
    /// The log writes each line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let safe = match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(mut value) => {
                masked(&mut value, &MASK.load());
                format!("{value}\n")
            }
            Err(_) => plain(&String::from_utf8_lossy(line)).into_owned(),
        };
        self.0.write_all(safe.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn masked(value: &mut serde_json::Value, mask: &Mask) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = mask.sentence(text),
        Value::Array(values) => values.iter_mut().for_each(|value| masked(value, mask)),
        Value::Object(fields) => fields.values_mut().for_each(|value| masked(value, mask)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say() {
        hide(&[Secret::new("hunter2-tracing")]);
        let hostile = "Fix\x1b[2J\x1b]0;x\x07 \u{202e}evil\n2026-11-30T00:00:00Z  INFO forged hunter2-tracing";
        let span = tracing::info_span!("delivery", branch = hostile);
        let _in = span.enter();
        tracing::info!(subject = hostile, shown = %hostile, debug = ?hostile, "It said {hostile}");
    }

    #[test]
    fn nothing_of_a_stranger_s_text_steers_the_log() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log =
            tracing_subscriber::fmt().with_ansi(false).fmt_fields(PlainFields).with_writer(move || writer.clone());
        tracing::subscriber::with_default(log.finish(), say);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n') && !text.contains(['\u{202e}']), "{text:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("Fix <U+202E>evil"), "{text}");
        let forged = text.lines().filter(|line| line.starts_with("2026-11-30T00:00:00Z")).count();
        assert_eq!(forged, 0, "{text}");

        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || JsonLines(writer.clone()));
        tracing::subscriber::with_default(log.finish(), say);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["shown"], "Fix <U+202E>evil\n2026-11-30T00:00:00Z  INFO forged ***", "{text}");
    }
}
