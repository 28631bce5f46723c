//! Fetching by processes of their own: what a remote sends can make whoever unpacks it take all memory or die, and that shall be
//! nobody but the process that fetches for this one project.
//!
//! A fetcher is this program once more (`launchway fetch-refs`), started for one errand: it learns over its standard input which
//! remote, which mirror and what the project signs in with, and answers over its standard output. Only it writes objects and
//! branches of a mirror, while the server holds the mirror's lock.

mod process;
mod wire;

pub use process::serve as serve_fetch;
pub(super) use wire::{Brought, Errand, What};

use super::connection::Progress;
use super::remote_heads;
use super::{FetchError, Patience};
use crate::model::Quoted;
use crate::process::{Helper, HelperEnded};
use std::io;
use std::path::Path;
use wire::Word;

/// Variables that libgit2, OpenSSL and libssh2 go by.
const VARIABLES: [&str; 13] = [
    "HOME",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CONFIG_HOME",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// Who fetches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetcher<'p> {
    /// This program, or what stands in for it.
    pub(super) program: &'p Path,
}

impl Fetcher<'_> {
    /// Sends a process on its errand. `folder` is for that process to write settings of libgit2 to.
    pub(super) async fn send(
        &self,
        folder: &Path,
        errand: Errand,
        (doing, url): (&'static str, &str),
        patience: &Patience,
        progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
    ) -> Result<Brought, FetchError> {
        let conversation = self.converse(folder, errand, (doing, url), progress);
        // Dropped with its process where nobody waits any longer.
        patience.wait(conversation).await.map_err(|impatience| impatience.error(doing, url))?
    }

    async fn converse(
        &self,
        folder: &Path,
        errand: Errand,
        (doing, url): (&'static str, &str),
        progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
    ) -> Result<Brought, FetchError> {
        let variables = VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut helper = Helper::start(self.program, "fetch-refs", folder, variables).map_err(|error| {
            let why = format!("the process that fetches cannot be started: {error}");
            FetchError::Other { doing, url: url.to_string(), why }
        })?;
        match hear_out(&mut helper, &errand, url, progress).await {
            Ok(outcome) => outcome.map_err(|failure| failure.of(doing, url)),
            Err(error) => {
                let why = how_it_ended(&helper.end(&error).await);
                Err(FetchError::Broke { doing, url: url.to_string(), why })
            }
        }
    }
}

async fn hear_out(
    helper: &mut Helper,
    errand: &Errand,
    url: &str,
    progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
) -> io::Result<Result<Brought, wire::Failure>> {
    helper.tell(errand).await?;
    loop {
        match helper.hear().await? {
            Word::Progress(now) => {
                if let Some(progress) = progress {
                    progress(now);
                }
            }
            Word::Ignored(names) => remote_heads::tell(url, &names),
            Word::Ended(outcome) => return Ok(outcome),
        }
    }
}

fn how_it_ended(ended: &HelperEnded) -> String {
    ended.told("the process that fetched", |line| Quoted(line).to_string())
}
