//! Submodules, where the project's settings ask for them: each fetched into a mirror of its own and laid over the
//! commit's tree.

use super::bring::{Remote, WantedRefs};
use super::{FetchError, GitTree, Mirrors, Patience, RemoteUrl};
use crate::model::budgets;
use crate::model::{CommitId, EntryKind, GitCredentials, ProjectName, Quoted, RepoPath, Tree};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// From `launchway.toml`; without it submodules are not fetched.
#[derive(Debug, Clone, Default)]
pub struct SubmoduleSettings {
    /// Hosts besides the project's own from which submodules may come.
    pub allowed_hosts: Vec<String>,
    /// Whether `http://` is accepted.
    pub allow_plain_http: bool,
}

/// Submodules of submodules of ... end somewhere.
const MAX_DEPTH: usize = 8;

impl Mirrors {
    /// `tree` with its submodules, and theirs, in place. A submodule comes from the project's own host or one that the
    /// settings allow; the project's credentials are shown to its own host only. A path on this machine is accepted
    /// only where the project itself is one.
    pub async fn with_submodules(
        &self,
        project: &ProjectName,
        tree: &GitTree,
        remote: &Remote,
        settings: &SubmoduleSettings,
        patience: &Patience,
    ) -> Result<GitTree, FetchError> {
        self.bring(project, tree, remote, remote, settings, patience, 0).await
    }

    #[allow(clippy::too_many_arguments)] // A recursion: every argument but two is only handed on.
    async fn bring(
        &self,
        project: &ProjectName,
        tree: &GitTree,
        parent: &Remote,
        root: &Remote,
        settings: &SubmoduleSettings,
        patience: &Patience,
        depth: usize,
    ) -> Result<GitTree, FetchError> {
        let error =
            |why: String| FetchError::Other { doing: "fetching the submodules of", url: parent.url.to_string(), why };
        let file = RepoPath::new(".gitmodules").map_err(|e| error(e.to_string()))?;
        if tree.entry(&file).map_err(|e| error(e.to_string()))?.is_none() {
            return Ok(tree.clone());
        }
        if depth == MAX_DEPTH {
            return Err(error(format!("they are nested more than {MAX_DEPTH} deep")));
        }
        let text = tree.read_small(&file, &budgets::FILE_BYTES).map_err(|e| error(e.to_string()))?;
        let mut modules = BTreeMap::new();
        for (path, url) in declared(&String::from_utf8_lossy(&text)) {
            let path = RepoPath::new(&path).map_err(|e| error(format!(".gitmodules: {}", Quoted(e))))?;
            let entry = tree.entry(&path).map_err(|e| error(e.to_string()))?;
            // A section without its entry is what is left of a removed submodule; git ignores it as well.
            let Some(entry) = entry.filter(|entry| entry.kind == EntryKind::Submodule) else { continue };
            let commit = CommitId::new(entry.id).map_err(|e| error(e.to_string()))?;
            let remote =
                allowed(&parent.url.resolve(&url), root, settings).map_err(|why| error(format!("{path}: {why}")))?;
            let module = self.module(project, &path, &remote, &commit, patience).await?;
            let module = Box::pin(self.bring(project, &module, &remote, root, settings, patience, depth + 1)).await?;
            let count = modules.len() + 1;
            let few = budgets::SUBMODULES.check(count as u64, format_args!("{count} submodules"));
            few.map_err(|why| error(why.to_string()))?;
            modules.insert(path, module);
        }
        Ok(if modules.is_empty() { tree.clone() } else { tree.with_modules(modules) })
    }

    async fn module(
        &self,
        project: &ProjectName,
        path: &RepoPath,
        remote: &Remote,
        commit: &CommitId,
        patience: &Patience,
    ) -> Result<GitTree, FetchError> {
        let hash = hex::encode(&Sha256::digest(remote.url.as_str().as_bytes())[..8]);
        let mirror = self.mirror(&format!("{project}.modules/{hash}"));
        if let Ok(tree) = GitTree::open(std::sync::Arc::clone(&mirror), commit) {
            return Ok(tree);
        }
        let all = WantedRefs::BranchesAndTags;
        self.fetch_into(std::sync::Arc::clone(&mirror), remote.clone(), all, patience, None).await?;
        if let Ok(tree) = GitTree::open(std::sync::Arc::clone(&mirror), commit) {
            return Ok(tree);
        }
        // A branch that was forced since, or a change that was never merged: git asks for it by its id, too.
        let wanted = WantedRefs::Commit(commit.clone());
        let fetched = self.fetch_into(std::sync::Arc::clone(&mirror), remote.clone(), wanted, patience, None).await;
        let why = match fetched {
            Ok(_) => match GitTree::open(mirror, commit) {
                Ok(tree) => return Ok(tree),
                Err(error) => error.to_string(),
            },
            Err(FetchError::Other { why, .. } | FetchError::NotFound { why, .. }) => why,
            Err(error) => return Err(error),
        };
        let (url, commit, path) = (remote.url.to_string(), commit.to_string(), path.to_string());
        Err(FetchError::MissingModule { url, commit, path, why })
    }
}

fn allowed(url: &str, root: &Remote, settings: &SubmoduleSettings) -> Result<Remote, String> {
    let url = RemoteUrl::parse(url, settings.allow_plain_http).map_err(|error| error.to_string())?;
    let is_own_host = url.host() == root.url.host();
    let is_allowed = url.host().is_some_and(|host| settings.allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(host)));
    if !is_own_host && !is_allowed {
        return Err(format!(
            "{} is on a host from which the project may not take submodules. Add it to the project's \
             allowed submodule hosts in launchway.toml",
            Quoted(&url)
        ));
    }
    let credentials = match is_own_host && url.kind() == root.url.kind() {
        true => root.credentials.clone(),
        // Which host keys are believed is no secret.
        false => GitCredentials { known_hosts: root.credentials.known_hosts.clone(), ..GitCredentials::default() },
    };
    Ok(Remote { url, credentials })
}

/// (path, URL) of each section of a `.gitmodules`. Not read as a git configuration: that would follow `include.path`.
fn declared(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut path, mut url) = (None, None);
    for line in text.lines().map(str::trim).chain(["[end]"]) {
        if line.starts_with('[') {
            if let (Some(path), Some(url)) = (path.take(), url.take()) {
                found.push((path, url));
            }
            (path, url) = (None, None);
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim();
            let value =
                value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value).replace("\\\"", "\"");
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => path = Some(value),
                "url" => url = Some(value),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Remote {
        let token = Some(crate::model::Secret::new("hunter2"));
        Remote {
            url: RemoteUrl::parse(url, false).unwrap(),
            credentials: GitCredentials { token, ..GitCredentials::default() },
        }
    }

    #[test]
    fn reads_gitmodules() {
        let text = "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n[include]\n\tpath = /etc/passwd\n\
                    [submodule \"x\"]\n\turl = \"https://host/x y.git\"\n\tpath=x\n";
        let expected = [("vendor/lib", "../lib.git"), ("x", "https://host/x y.git")];
        assert_eq!(declared(text), expected.map(|(path, url)| (path.to_string(), url.to_string())));
    }

    #[test]
    fn submodules_come_from_allowed_hosts_and_the_token_stays_at_home() {
        let (root, mut settings) = (remote("https://host/shop.git"), SubmoduleSettings::default());
        assert!(allowed("https://host/lib.git", &root, &settings).unwrap().credentials.token.is_some());
        for url in ["https://elsewhere/lib.git", "/srv/git/lib.git", "ext::sh -c id", "http://elsewhere/x"] {
            assert!(allowed(url, &root, &settings).is_err(), "{url}");
        }
        settings.allowed_hosts = vec!["Elsewhere".to_string()];
        assert!(allowed("https://elsewhere/lib.git", &root, &settings).unwrap().credentials.token.is_none());
    }
}
