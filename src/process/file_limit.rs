//! How many files this process may have open. A connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than a server of one machine needs. Whoever may raise the hard limit (root) gets so many.
const WANTED: u64 = 1 << 17;
/// What a kernel may say instead of a number; more than fit into memory anyway.
const NO_LIMIT: u64 = 1 << 20;

/// As many as this process may have. Returns how many those are.
pub fn raise_file_limit() -> usize {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(NO_LIMIT);
    let attempts = [hard.max(WANTED), hard];
    for limit in attempts {
        let wanted = Rlimit { current: Some(limit), maximum: now.maximum.map(|hard| hard.max(limit)) };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            break;
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(NO_LIMIT).min(NO_LIMIT);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_gets_fewer() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(NO_LIMIT);
        assert!(raise_file_limit() as u64 >= before.min(NO_LIMIT));
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(NO_LIMIT).min(NO_LIMIT), raise_file_limit() as u64);
    }
}
