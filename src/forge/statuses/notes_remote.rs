//! Notes of a repository that is not on this machine: fetch the notes ref, add, push without force, and again when
//! somebody else was quicker. The server compares the ref with what was fetched, so nobody's notes are lost.

use super::PostError;
use super::known_hosts;
use super::notes::{Deadline, NOTES_REF, add, git_failure, given_up, is_said, object_id, target, tip};
use super::target::shown;
use crate::model::{CommitStatus, GitCredentials};
use anyhow::{Context, Result};
use git2::{AutotagOption, CertificateCheckStatus, Cred, CredentialType, ErrorCode};
use git2::{FetchOptions, PushOptions, RemoteCallbacks, RemoteRedirect, Repository};
use std::cell::{Cell, RefCell};

/// Where a fetch puts what it finds; nothing where the remote has no notes.
const FETCHED: &str = "refs/launchway/fetched-notes";

pub(super) struct Remote {
    url: String,
    credentials: GitCredentials,
    /// Keeps the notes that were fetched as long as the client lives, so that each fetch is only what is new.
    scratch: tempfile::TempDir,
}

/// So much may come of one repository's notes at a time: each is a few hundred bytes.
const MOST_BYTES: usize = 256 << 20;

enum Pushed {
    Yes,
    /// The ref is no longer what was fetched.
    Moved,
}

impl Remote {
    /// The notes of the repository at `url`.
    ///
    /// # Errors
    /// A URL that is refused, naming why.
    pub fn new(url: &str, credentials: GitCredentials) -> Result<Self> {
        let scratch = tempfile::Builder::new()
            .prefix("launchway-notes-")
            .tempdir()
            .context("cannot make a temporary folder for the notes of a remote repository")?;
        Repository::init_bare(scratch.path()).context("cannot make a temporary repository for notes")?;
        Ok(Self { url: url.into(), credentials, scratch })
    }

    /// The address without user name and password.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// Adds one status to the notes there, again where somebody else changed them meanwhile.
    ///
    /// # Errors
    /// What the repository answered, or that the deadline has passed.
    pub fn write(&self, status: &CommitStatus, deadline: &Deadline) -> Result<(), PostError> {
        object_id(status)?;
        let failed = |error: git2::Error| git_failure(&self.shown(), &error);
        let repository = Repository::open(self.scratch.path()).map_err(failed)?;
        loop {
            self.fetch(&repository, deadline).map_err(failed)?;
            let old = tip(&repository).map_err(failed)?;
            let Some(new) = add(&repository, old, status).map_err(failed)? else { return Ok(()) };
            // Nobody waits for it any more, and something newer may be said by now.
            if deadline.has_passed() {
                return Err(given_up(&self.shown()));
            }
            repository.reference(NOTES_REF, new, true, "status").map_err(failed)?;
            match self.push(&repository, deadline).map_err(failed)? {
                Pushed::Yes => return Ok(()),
                Pushed::Moved if deadline.has_passed() => {
                    let why = format!("others kept changing the notes of {}; the note is written again", self.shown());
                    return Err(PostError::Retry { after: None, why });
                }
                Pushed::Moved => {}
            }
        }
    }

    /// Whether the remote's note says this.
    pub fn is_written(&self, status: &CommitStatus, deadline: &Deadline) -> Result<bool, PostError> {
        let failed = |error: git2::Error| git_failure(&self.shown(), &error);
        let repository = Repository::open(self.scratch.path()).map_err(failed)?;
        self.fetch(&repository, deadline).map_err(failed)?;
        is_said(&repository, tip(&repository).map_err(failed)?, status).map_err(failed)
    }

    /// Makes our ref what the remote's is, absent where it is absent. The remote's refs are not listed for that: git2 panics
    /// at a name that is not UTF-8.
    fn fetch(&self, repository: &Repository, deadline: &Deadline) -> Result<(), git2::Error> {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks(deadline))
            .follow_redirects(RemoteRedirect::None)
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        delete(repository, FETCHED)?;
        let refs = [format!("+{NOTES_REF}:{FETCHED}")];
        repository.remote_anonymous(&self.url)?.fetch(&refs, Some(&mut options), None)?;
        match target(repository, FETCHED)? {
            Some(there) => repository.reference(NOTES_REF, there, true, "fetched").map(drop),
            None => delete(repository, NOTES_REF),
        }
    }

    fn push(&self, repository: &Repository, deadline: &Deadline) -> Result<Pushed, git2::Error> {
        let refused = RefCell::new(None);
        let mut callbacks = self.callbacks(deadline);
        callbacks.push_update_reference(|_, reason| {
            *refused.borrow_mut() = reason.map(str::to_string);
            Ok(())
        });
        let result = {
            let mut options = PushOptions::new();
            options.remote_callbacks(callbacks).follow_redirects(RemoteRedirect::None);
            repository.remote_anonymous(&self.url)?.push(&[format!("{NOTES_REF}:{NOTES_REF}")], Some(&mut options))
        };
        match result {
            Err(error) if error.code() == ErrorCode::NotFastForward => return Ok(Pushed::Moved),
            other => other?,
        }
        let Some(reason) = refused.into_inner() else { return Ok(Pushed::Yes) };
        // receive-pack's words where the ref is not what it was, or another push holds it.
        let moved = ["failed to update ref", "cannot lock ref", "fetch first", "non-fast-forward", "already exists"];
        if moved.iter().any(|words| reason.contains(words)) {
            return Ok(Pushed::Moved);
        }
        Err(git2::Error::from_str(&format!("the server refused {NOTES_REF}: {reason}")))
    }

    fn callbacks<'a>(&'a self, deadline: &Deadline) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        let asked = Cell::new(0_u8);
        callbacks.credentials(move |_, user, allowed| {
            // libgit2 asks again after a refusal, for ever. Twice covers ssh, which asks for the user's name first.
            asked.set(asked.get().saturating_add(1));
            if asked.get() > 2 {
                return Err(git2::Error::new(
                    ErrorCode::Auth,
                    git2::ErrorClass::Callback,
                    "the credentials were refused",
                ));
            }
            self.credential(user, allowed)
        });
        if let Some(file) = &self.credentials.known_hosts {
            let ssh = url::Url::parse(&self.url).ok().filter(|url| url.scheme() == "ssh");
            let port = ssh.and_then(|url| url.port());
            callbacks.certificate_check(move |certificate, host| match certificate.as_hostkey() {
                Some(key) => known_hosts::check(file, host, port, key).map(|()| CertificateCheckStatus::CertificateOk),
                None => Ok(CertificateCheckStatus::CertificatePassthrough),
            });
        }
        let (fetching, pushing) = (deadline.clone(), deadline.clone());
        callbacks.transfer_progress(move |now| !fetching.has_passed() && now.received_bytes() <= MOST_BYTES);
        callbacks.sideband_progress(move |_| !pushing.has_passed());
        callbacks
    }

    fn credential(&self, user: Option<&str>, allowed: CredentialType) -> Result<Cred, git2::Error> {
        let name = self.credentials.username.as_deref().or(user);
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(name.unwrap_or("git"));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            let name = name.unwrap_or("git");
            return match &self.credentials.ssh_key {
                Some(key) => Cred::ssh_key(name, None, key, None),
                None => Cred::ssh_key_from_agent(name),
            };
        }
        match &self.credentials.token {
            // Forges that take a token as password take any user name with it.
            Some(token) if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                Cred::userpass_plaintext(name.unwrap_or("x-access-token"), token.expose().trim())
            }
            _ => Err(git2::Error::new(
                ErrorCode::Auth,
                git2::ErrorClass::Callback,
                "it asks for credentials, and none are set",
            )),
        }
    }
}

fn delete(repository: &Repository, reference: &str) -> Result<(), git2::Error> {
    match repository.find_reference(reference) {
        Ok(mut found) => found.delete(),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
