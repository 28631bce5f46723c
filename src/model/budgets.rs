//! How much a commit may ask for. Whoever writes a repository is a stranger: each thing that a few bytes can make large
//! (a range of ports, an alias, a file that includes others) has a limit here, with the name that its error says. Real
//! files stay far below; `compose/tests/budgets.rs` holds that against those that we know.

/// One limit. A commit that wants more ends with an error that has the limit's name, its value, and what was wanted.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget {
    pub name: &'static str,
    /// This much is still fine.
    pub most: u64,
}

impl Budget {
    /// A limit by its name.
    pub const fn new(name: &'static str, most: u64) -> Self {
        Self { name, most }
    }

    /// `what` says what is too much, as a whole thought: `4294967295 replicas`.
    ///
    /// # Errors
    /// Where `wanted` is more than the limit allows.
    pub fn check(&self, wanted: u64, what: impl std::fmt::Display) -> Result<(), TooMuch> {
        if wanted <= self.most { Ok(()) } else { Err(self.too_much(what)) }
    }

    /// What is said where it is more than that; `what` as for [`Budget::check`].
    pub fn too_much(&self, what: impl std::fmt::Display) -> TooMuch {
        TooMuch { sentence: format!("{what}: too much for one commit; the limit `{}` is {}", self.name, self.most) }
    }
}

/// A limit that was exceeded, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct TooMuch {
    sentence: String,
}

/// Bytes of one file that is read as text: a Compose file, an env file, a Dockerfile, an ignore file.
pub const FILE_BYTES: Budget = Budget::new("file-bytes", 1 << 20);
/// Bytes of all such files together, each as often as it is read.
pub const READ_BYTES: Budget = Budget::new("read-bytes", 64 << 20);
/// Bytes of texts after variables, aliases, merge keys, `extends` and env files have been put in.
pub const EXPANDED_BYTES: Budget = Budget::new("expanded-bytes", 32 << 20);
/// Bytes of one value after variables have been put in.
pub const VALUE_BYTES: Budget = Budget::new("value-bytes", 1 << 20);
/// Bytes of one key, tag or anchor.
pub const KEY_BYTES: Budget = Budget::new("key-bytes", 1024);
/// Values, lists and mappings of all Compose files after the same.
pub const NODES: Budget = Budget::new("nodes", 500_000);
/// Lists and mappings in one another, also by aliases.
pub const DEPTH: Budget = Budget::new("depth", 64);
/// Keys of one mapping.
pub const KEYS: Budget = Budget::new("keys-of-a-mapping", 5_000);

/// Files that are included, by whomever.
pub const INCLUDES: Budget = Budget::new("includes", 500);
/// Files that include one another in a line.
pub const INCLUDE_DEPTH: Budget = Budget::new("include-depth", 32);
/// Services that extend another, counted with what those extend.
pub const EXTENDS: Budget = Budget::new("extends", 10_000);
/// Services that extend one another in a line.
pub const EXTENDS_DEPTH: Budget = Budget::new("extends-depth", 32);

/// Services of a stack.
pub const SERVICES: Budget = Budget::new("services", 2_000);
/// Containers of one component.
pub const REPLICAS: Budget = Budget::new("replicas", 500);
/// Containers of all components.
pub const ALL_REPLICAS: Budget = Budget::new("replicas-in-all", 4_000);
/// Published and exposed ports of all services, ranges counted port by port.
pub const PORTS: Budget = Budget::new("ports", 32_768);
/// Mounts of one component.
pub const MOUNTS: Budget = Budget::new("mounts", 500);
/// Mounts of all services together.
pub const ALL_MOUNTS: Budget = Budget::new("mounts-in-all", 20_000);
/// Tags, further contexts, secrets and cache sources of one build, together.
pub const BUILD_ITEMS: Budget = Budget::new("items-of-a-build", 200);
/// Networks that are made.
pub const NETWORKS: Budget = Budget::new("networks", 100);
/// Components' places in networks.
pub const ATTACHMENTS: Budget = Budget::new("network-attachments", 10_000);
/// Who waits for whom, all pairs.
pub const DEPENDENCIES: Budget = Budget::new("dependencies", 20_000);
/// Patterns of one `x-launchway.paths` or ignore file.
pub const PATTERNS: Budget = Budget::new("patterns", 1_000);

/// Seconds for which a canary is held at one share. How long all else may take is `limits.deploy` of launchway.toml.
pub const HOLD_SECONDS: Budget = Budget::new("hold-seconds", 30 * 24 * 3600);

/// Steps of one plan.
pub const STEPS: Budget = Budget::new("plan-steps", 100_000);

/// Folders in one another.
pub const FOLDER_DEPTH: Budget = Budget::new("folder-depth", 128);
/// Bytes of a path in the repository.
pub const PATH_BYTES: Budget = Budget::new("path-bytes", 4096);
/// Bytes of a symbolic link's target.
pub const LINK_BYTES: Budget = Budget::new("link-bytes", 4096);
/// Files and folders that one look goes through: a build's context, a mounted folder, what patterns match.
pub const ENTRIES: Budget = Budget::new("files", 500_000);
/// Bytes of git's own list of one folder.
pub const FOLDER_BYTES: Budget = Budget::new("folder-bytes", 16 << 20);
/// Bytes of any file that is taken out of the repository: libgit2 reads it into memory as a whole.
pub const BLOB_BYTES: Budget = Budget::new("blob-bytes", 512 << 20);
/// Bytes that are taken out of the repository for one mounted folder or one build.
pub const CONTENT_BYTES: Budget = Budget::new("content-bytes", 16 << 30);
/// Submodules of one commit.
pub const SUBMODULES: Budget = Budget::new("submodules", 100);

/// Problems of one reading that are kept; the rest is counted.
pub const MOST_PROBLEMS: usize = 1_000;
/// Bytes of one message about a problem.
pub const MOST_MESSAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_limit_its_value_and_what_was_wanted() {
        assert_eq!(REPLICAS.check(500, ""), Ok(()));
        let error = REPLICAS.check(4_294_967_295, "4294967295 replicas").unwrap_err();
        assert_eq!(error.to_string(), "4294967295 replicas: too much for one commit; the limit `replicas` is 500");
    }
}
