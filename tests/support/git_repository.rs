//! A bare repository made with the real git, and a working copy that pushes to it.

use launchway::model::CommitId;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

pub struct GitRepository {
    folder: tempfile::TempDir,
    /// What pushes printed: the other side's words among it.
    heard: Mutex<String>,
}

impl GitRepository {
    /// With the branch `main` and no commit.
    pub fn new() -> Self {
        Self::with_format("sha1")
    }

    pub fn with_format(format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let format = format!("--object-format={format}");
        git(folder.path(), &["init", "-q", "--bare", "-b", "main", &format, "shop.git"]);
        git(folder.path(), &["init", "-q", "-b", "main", &format, "work"]);
        git(&folder.path().join("work"), &["remote", "add", "origin", "../shop.git"]);
        Self { folder, heard: Mutex::default() }
    }

    /// The folder that holds `shop.git`.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("shop.git")
    }
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// git in the working copy; its output without the final newline.
    pub fn git(&self, arguments: &[&str]) -> String {
        let (said, error) = git_with_errors(&self.work(), arguments);
        if arguments.contains(&"push") {
            self.heard.lock().unwrap().push_str(&error);
        }
        said
    }

    /// What the hooks of the bare repository answered to pushes.
    pub fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap();
        // git fills the rest of a line with blanks, or steers the terminal, after each line of the other side.
        let lines = heard.lines().filter_map(|line| line.strip_prefix("remote: "));
        lines.map(|line| line.trim_end_matches("\u{1b}[K").trim_end()).collect::<Vec<_>>().join("\n")
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Commits everything in the working copy.
    pub fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub fn head(&self) -> CommitId {
        CommitId::new(self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    pub fn push(&self, refspec: &str) -> &Self {
        self.git(&["push", "-q", "--force", "origin", refspec]);
        self
    }

    /// Writes one file, commits and pushes `main`.
    pub fn publish(&self, path: &str, text: &str) -> CommitId {
        let commit = self.write(path, text).commit(&format!("change {path}"));
        self.push("HEAD:refs/heads/main");
        commit
    }
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with_errors(folder, arguments).0
}

/// The same, and what it printed as errors.
fn git_with_errors(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?} in {}: {error}", folder.display());
    (String::from_utf8_lossy(&output.stdout).trim_end().to_string(), error)
}
