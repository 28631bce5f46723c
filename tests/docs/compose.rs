//! Blocks of Compose files, read as a commit's is.

use crate::markdown::documents;
use crate::nothing_is_wrong;
use launchway::compose::{ReadRequest, read};
use launchway::model::{Entry, EntryKind, Permissions, ProjectName, RepoPath, Severity, Tree, TreeError};

/// A repository with a Compose file in which everything that the file names is there.
struct Named(String);

impl Named {
    /// What lies at a path, by what it is called; `None`: a folder.
    fn file(&self, path: &RepoPath) -> Option<String> {
        match path.file_name() {
            "compose.yaml" => Some(self.0.clone()),
            "Dockerfile" => Some("FROM scratch\n".into()),
            name if name.contains('.') => Some(String::new()),
            _ => None,
        }
    }
}

impl Tree for Named {
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        let kind = if self.file(path).is_some() { EntryKind::File } else { EntryKind::Directory };
        let is_there = !path.as_str().ends_with(".dockerignore");
        Ok(is_there.then(|| Entry { path: path.clone(), kind, id: "0".repeat(40) }))
    }
    fn list(&self, _: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        Ok(Vec::new())
    }
    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        self.file(path).map(String::into_bytes).ok_or_else(|| TreeError::NotFound(path.clone()))
    }
    fn time(&self) -> i64 {
        0
    }
}

#[test]
fn every_compose_file_is_read() {
    let mut wrong = Vec::new();
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.is(&["yaml"])) {
            for why in problems(&block.text) {
                wrong.push(format!("{}:{}: {why}", document.path, block.line));
            }
        }
    }
    nothing_is_wrong(&wrong);
}

/// The errors and warnings of a Compose file; a part of one without services gets a service.
fn problems(text: &str) -> Vec<String> {
    let has_services = text.lines().any(|line| line.starts_with("services:"));
    let whole =
        if has_services { text.to_string() } else { format!("{text}\nservices: {{ web: {{ image: nginx }} }}\n") };
    let (tree, project) = (Named(whole), ProjectName::new("shop").unwrap());
    let allowed = Permissions { prometheus: vec!["http://prometheus.internal:9090".into()], ..Permissions::default() };
    let files = vec![RepoPath::new("compose.yaml").unwrap()];
    let request = ReadRequest { files, allowed, ..ReadRequest::of(&tree, &project) };
    let found = match read(&request) {
        Ok(reading) => reading.problems,
        Err(problems) => problems,
    };
    let counts = |severity: Severity| matches!(severity, Severity::Error | Severity::Warning);
    found.iter().filter(|problem| counts(problem.severity)).map(|problem| problem.to_string()).collect()
}

#[test]
fn a_wrong_compose_file_is_noticed() {
    assert!(!problems("services: { web: { image: nginx, imagine: x } }").is_empty());
    assert!(!problems("x-launchway: { bake: soon }").is_empty());
    assert!(problems("x-launchway: { bake: 1m }").is_empty());
}
