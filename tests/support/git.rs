//! Repositories made and read with the git binary.

use launchway::model::CommitId;
use std::path::Path;
use std::process::Command;

/// Runs git in a folder, untouched by the user's own settings; panics with its words where it fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(
            ["AUTHOR", "COMMITTER"]
                .iter()
                .flat_map(|who| [(format!("GIT_{who}_NAME"), "Ada"), (format!("GIT_{who}_EMAIL"), "ada@example.com")]),
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_string()
}

/// A bare repository with that many commits on main, oldest first.
pub fn bare_repository(folder: &Path, commits: usize) -> Vec<CommitId> {
    std::fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
    let tree = git(folder, &["mktree"]);
    let mut made: Vec<CommitId> = Vec::new();
    for number in 0..commits {
        let message = format!("commit {number}");
        let mut arguments = vec!["commit-tree", &tree, "-m", &message];
        if let Some(parent) = made.last() {
            arguments.extend(["-p", parent.as_str()]);
        }
        let id = git(folder, &arguments);
        made.push(CommitId::new(id).unwrap());
    }
    if let Some(tip) = made.last() {
        git(folder, &["update-ref", "refs/heads/main", tip.as_str()]);
    }
    made
}
