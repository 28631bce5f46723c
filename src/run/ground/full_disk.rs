//! A disk that is full is the host's fault, in whatever words it is told, and never the commit's.

use crate::model::Stage;
use crate::run::ground::stage_error::StageError;

/// What the system, SQLite and the engine say.
const FULL: [&str; 3] = ["no space left on device", "database or disk is full", "disk quota exceeded"];

/// What to do about a disk that is full.
pub const ADVICE: &str = "Free some: `launchway gc` shows what is kept and why, `docker system df` the rest";

fn is_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    FULL.iter().any(|words| text.contains(words))
}

/// The setback, told as what it is where a full disk is behind it. What an app says of its own files while it runs is
/// its own: only what a build says counts.
pub fn told_as_such(setback: StageError, stage: Stage) -> StageError {
    let why = match &setback {
        StageError::Host { why } | StageError::Commit { why, .. } if is_full(why) => why.clone(),
        StageError::Commit { why, last_lines, .. } if stage == Stage::Build => {
            match last_lines.iter().find(|line| is_full(line)) {
                Some(line) => format!("{why}: {}", line.trim()),
                None => return setback,
            }
        }
        _ => return setback,
    };
    StageError::Host { why: format!("no space left on a disk of the host: {why}. {ADVICE}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(why: &str, line: &str) -> StageError {
        StageError::Commit { component: None, why: why.into(), last_lines: vec!["before".into(), line.into()] }
    }

    #[test]
    fn a_full_disk_is_the_hosts_fault_in_whatever_words() {
        for setback in [
            StageError::host("the store could not note a plan: (code: 13) database or disk is full"),
            StageError::host("could not create container web-1: mkdir /var/lib/docker/x: no space left on device"),
            commit("building web failed at [2/3]", "cc: error: write /out: No space left on device"),
        ] {
            let told = told_as_such(setback, Stage::Build);
            assert!(matches!(&told, StageError::Host { why } if why.starts_with("no space left")), "{told}");
        }
    }

    #[test]
    fn what_an_app_says_of_its_own_files_is_its_own() {
        let told = told_as_such(commit("web-1 ended with exit code 1", "/tmp: No space left on device"), Stage::Deploy);
        assert!(matches!(told, StageError::Commit { .. }), "{told}");
        let told = told_as_such(commit("building web failed at [2/3]", "cc: no such file"), Stage::Build);
        assert!(matches!(told, StageError::Commit { .. }), "{told}");
    }
}
