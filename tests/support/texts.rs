//! What people read of a story, and what no text may hold: a sentence that was cut, a path of the server where an author reads
//! it, a secret in any form, a character that steers a terminal or turns the direction of writing.
//!
//! [`Texts`] is asked for each text: commands and answers when they are read, the rest when the story ends. A story whose point
//! is such a text says so by [`Texts::excuse`], with the reason.

use super::world::SECRET;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What a forge shows of a status.
const LIMIT: usize = 140;
/// A secret that is shorter may be a word of anybody.
const SHORTEST_SECRET: usize = 8;

/// Who reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Whoever pushes or opens a link: statuses, answers to pushes, pages, logs of deployments.
    Author,
    /// Whoever runs the server: commands, hooks, the server's log. Paths of the server are theirs to know.
    Administrator,
}

/// What a story may read, and in which words it looks for what nobody may.
pub struct Texts {
    /// `launchway.toml`, which holds the story's secrets.
    settings: PathBuf,
    /// The server's folder, which nobody who pushes knows.
    folder: PathBuf,
    /// The working copy: what is in there the author wrote.
    work: PathBuf,
    /// What is well in a text of this story.
    excused: Mutex<Vec<String>>,
    /// Files that the story's hooks wrote, with what they are.
    kept: Mutex<Vec<(String, PathBuf)>>,
}

impl Texts {
    pub fn new(folder: &Path, work: &Path) -> Self {
        let settings = folder.join("launchway.toml");
        let (folder, work) = (folder.to_path_buf(), work.to_path_buf());
        Self { settings, folder, work, excused: Mutex::default(), kept: Mutex::default() }
    }

    /// This part of a text is well in this story, because of the reason.
    pub fn excuse(&self, part: &str, reason: &str) {
        assert!(!reason.is_empty(), "why may a text say {part:?}?");
        self.excused.lock().unwrap().push(part.into());
    }

    /// A file that a hook of the story writes: it is read when the story ends.
    pub fn keep(&self, what: &str, path: &Path) {
        self.kept.lock().unwrap().push((what.into(), path.to_path_buf()));
    }

    /// What hooks kept, by what it is.
    pub fn kept(&self) -> Vec<(String, String)> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(what, path)| (what.clone(), std::fs::read_to_string(path).unwrap_or_default())).collect()
    }

    /// Fails where a text holds what none may. A status goes to [`Texts::read_status`].
    pub fn read(&self, reader: Reader, what: &str, text: &str) {
        let text = self.without_excused(text);
        let mut faults = self.common_faults(reader, &text);
        faults.extend(text.lines().find(|line| self.is_cut(line)).map(|line| format!("it is cut: {line}")));
        assert!(faults.is_empty(), "{what}: {}\n--- all of it\n{text}", faults.join("\n"));
    }

    /// The one text that may be cut, because a forge shows no more of it; but what is live stands in it whole.
    pub fn read_status(&self, state: &str, text: &str) {
        let text = self.without_excused(text);
        let mut faults = self.common_faults(Reader::Author, &text);
        if self.is_cut(&text) && !is_well_cut(state, &text) {
            faults.push("it is cut where it should not be".into());
        }
        if text.chars().count() > LIMIT {
            faults.push(format!("it is longer than {LIMIT} characters"));
        }
        assert!(faults.is_empty(), "the status {state}: {}\n--- all of it\n{text}", faults.join("\n"));
    }

    fn without_excused(&self, text: &str) -> String {
        let excused = self.excused.lock().unwrap();
        excused.iter().fold(text.to_string(), |text, part| text.replace(part.as_str(), ""))
    }

    fn is_cut(&self, text: &str) -> bool {
        text.contains('…') && !self.did_author_write("…")
    }

    fn common_faults(&self, reader: Reader, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(c) = text.chars().find(|c| steers(*c)) {
            faults.push(format!("it holds the character {c:?}"));
        }
        let secret = self.secrets().into_iter().find_map(|secret| {
            let form = forms(&secret).into_iter().find(|form| text.contains(form.as_str()))?;
            Some(format!("it holds the secret {secret:?} as {form:?}"))
        });
        faults.extend(secret);
        if reader == Reader::Author {
            faults.extend(self.path_in(text).map(|path| format!("it holds a path of the server: {path}")));
        }
        faults
    }

    /// A path of the server that the author of a commit did not name there.
    fn path_in(&self, text: &str) -> Option<String> {
        // What the administrator's own hooks print is theirs.
        let lines = text.lines().filter(|line| !line.contains("hook deployment-") || !line.contains(" | "));
        let ours = [self.folder.display().to_string(), "/data/mirrors".into(), "/data/trees".into()];
        let engine = std::env::var("DOCKER_HOST").ok().and_then(|at| at.strip_prefix("unix://").map(str::to_string));
        let ours: Vec<String> = ours.into_iter().chain(engine).collect();
        let said = lines.filter_map(|line| ours.iter().find(|path| line.contains(path.as_str()))).next()?;
        (!self.did_author_write(said)).then(|| said.clone())
    }

    /// Asked only of what looks wrong: it reads the whole history.
    fn did_author_write(&self, text: &str) -> bool {
        let history = std::process::Command::new("git")
            .arg("-C")
            .arg(&self.work)
            .args(["log", "-p", "--all", "--text", "--no-color"])
            .output();
        history.is_ok_and(|history| String::from_utf8_lossy(&history.stdout).contains(text))
    }

    /// What the settings declare as secret as they are now, and the secret of the hook.
    fn secrets(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.settings).unwrap_or_default();
        let mut found = vec![SECRET.to_string()];
        if let Ok(settings) = text.parse::<toml::Table>() {
            declared(&settings, &mut found);
        }
        found.retain(|secret| secret.len() >= SHORTEST_SECRET && secret.chars().any(|c| !c.is_alphabetic()));
        found
    }
}

/// The values of `secret`, `token` and of tables called `secrets`, wherever they stand.
fn declared(table: &toml::Table, found: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::String(text) if key == "secret" || key == "token" => found.push(text.clone()),
            toml::Value::Table(values) if key == "secrets" => {
                found.extend(values.values().filter_map(|value| Some(value.as_str()?.to_string())));
            }
            toml::Value::Table(inner) => declared(inner, found),
            _ => {}
        }
    }
}

/// C0 but line break and tab, DEL, C1, and what turns the direction of writing.
fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Every form in which a secret may be written by accident.
pub fn forms(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_string()];
    all.extend(secret.lines().filter(|line| line.len() >= SHORTEST_SECRET).map(str::to_string));
    all.extend((0..3).map(|before| inner_base64(secret, before)));
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    for hex in [|byte: u8| format!("%{byte:02X}"), |byte: u8| format!("%{byte:02x}")] {
        all.push(secret.bytes().map(|b| if is_safe(b) { (b as char).to_string() } else { hex(b) }).collect());
    }
    all.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    all.push(serde_json::to_string(secret).unwrap().trim_matches('"').to_string());
    all.retain(|form| form.len() >= SHORTEST_SECRET);
    all
}

/// Those digits of base64 that depend on nothing but the secret, where so many bytes stand before it.
fn inner_base64(secret: &str, before: usize) -> String {
    let all = STANDARD_NO_PAD.encode([&vec![0; before], secret.as_bytes()].concat());
    let whole = (before + secret.len()) / 3 * 4;
    let first = if before == 0 { 0 } else { 4 };
    all.get(first..whole).unwrap_or_default().to_string()
}

/// Only as long as it had to be, and a final says what is live, whole.
fn is_well_cut(state: &str, text: &str) -> bool {
    let is_pending = matches!(state, "pending" | "running");
    let is_live_first = text.starts_with("Live ");
    let last = text.rsplit('…').next().unwrap_or_default();
    text.chars().count() > LIMIT / 2 && (is_pending || is_live_first || says_what_is_live(last))
}

fn says_what_is_live(end: &str) -> bool {
    const SAYS: [&str; 10] = [
        " is live",
        " is still live",
        " is live again",
        "nothing is live yet",
        "what ran before still runs",
        "what ran before runs",
        "what ran before runs again",
        " comes back once the engine answers",
        "what was started is removed once the engine answers",
        " is not undone",
    ];
    // `release 41 is live, but without db`
    let whole = end.split_once(", but without ").map_or(end, |(whole, _)| whole);
    SAYS.iter().any(|says| whole.ends_with(says))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pa55/word \"of\" the\nsecond-line+9";

    fn texts() -> (tempfile::TempDir, Texts) {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("[projects.shop.environments.production]\nsecrets = {{ BANK = {PASSWORD:?} }}\n");
        std::fs::write(folder.path().join("launchway.toml"), settings).unwrap();
        let texts = Texts::new(folder.path(), &folder.path().join("work"));
        (folder, texts)
    }

    fn is_refused(read: impl FnOnce(&Texts) + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(|| read(&texts().1)).is_err()
    }

    #[test]
    fn what_is_well_is_read() {
        let (folder, texts) = texts();
        texts.read(Reader::Author, "a page", "web exited with code 1: no database;\n\trelease 41 is live");
        texts.read(Reader::Administrator, "a command", &format!("the data is in {}", folder.path().display()));
        let long = format!("web exited: {}…; release 41 is still live", "x".repeat(90));
        texts.read_status("failure", &long);
        texts.read_status("pending", &format!("Waiting until Monday: frozen for {}…", "x".repeat(90)));
    }

    #[test]
    fn a_sentence_that_was_cut_is_refused() {
        assert!(is_refused(|texts| texts.read(Reader::Administrator, "a log", "web exited: no data…")));
        assert!(is_refused(|texts| texts.read_status("failure", "web exited…; release 4 is live")));
        let cut = format!("web exited: {}; release 41 is st…", "x".repeat(90));
        assert!(is_refused(move |texts| texts.read_status("failure", &cut)));
    }

    #[test]
    fn a_path_of_the_server_is_refused_where_an_author_reads_it() {
        let (folder, texts) = texts();
        let text = format!("cannot open {}/data/mirrors/shop.git", folder.path().display());
        let read = std::panic::AssertUnwindSafe(|| texts.read(Reader::Author, "a page", &text));
        assert!(std::panic::catch_unwind(read).is_err());
        texts.excuse(&folder.path().display().to_string(), "the test's own");
        texts.excuse("/data/mirrors", "the test's own");
        texts.read(Reader::Author, "a page", &text);
    }

    #[test]
    fn a_secret_is_refused_in_each_form() {
        let url: String = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let json = serde_json::to_string(PASSWORD).unwrap();
        let encoded = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{PASSWORD}, and more"));
        let form: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
        let percent = "pa55%2Fword%20%22of%22%20the%0Asecond-line%2B9".to_string();
        assert_eq!(url.len(), PASSWORD.len() * 3);
        for text in [PASSWORD.into(), json, encoded(""), encoded("a"), encoded("ab"), form, percent] {
            let said = format!("the bank says {text}.");
            assert!(is_refused(move |texts| texts.read(Reader::Administrator, "a log", &said)), "{text}");
        }
        assert!(is_refused(|texts| texts.read(Reader::Administrator, "a log", "only its second-line+9")));
        assert!(is_refused(|texts| texts.read(Reader::Administrator, "a log", &format!("the hook's is {SECRET}"))));
    }

    #[test]
    fn what_steers_a_terminal_is_refused() {
        for c in ['\u{1b}', '\r', '\u{7}', '\u{9b}', '\u{7f}', '\u{202e}', '\u{2066}'] {
            let text = format!("all is {c}well");
            assert!(is_refused(move |texts| texts.read(Reader::Administrator, "a log", &text)), "{c:?}");
        }
    }
}
