//! One connection of libgit2 to a remote: which credentials it is shown, whose key is believed, and what its errors
//! mean.

use super::known_hosts::{self, HostKeyCheck, keyscan};
use super::libgit2::Stop;
use super::ssh_key;
use super::{FetchError, RemoteKind, RemoteUrl};
use crate::model::{GitCredentials, Mask, Quoted, Secret};
use git2::{CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode, RemoteCallbacks};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) struct Connection {
    pub(super) url: RemoteUrl,
    pub(super) credentials: GitCredentials,
    /// What is being done, for messages: `fetching`, `asking`.
    pub(super) doing: &'static str,
    /// Why one of our own callbacks said no: libgit2 carries only a code through.
    refusal: Rc<RefCell<Option<Refusal>>>,
}

#[derive(Clone)]
enum Refusal {
    Authentication(String),
    Host(String),
    /// More came than may.
    TooLarge,
}

impl Connection {
    pub(super) fn new(url: RemoteUrl, credentials: GitCredentials, doing: &'static str) -> Self {
        Self { url, credentials, doing, refusal: Rc::default() }
    }

    /// Callbacks for one use of the remote, by which so many bytes may come. `progress` hears how far it is.
    pub(super) fn callbacks<'a>(
        &self,
        stop: &'a Stop,
        most_bytes: u64,
        progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    ) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        let mut offered = 0;
        let (url, credentials, refusal) = (self.url.clone(), self.credentials.clone(), self.refusal.clone());
        callbacks.credentials(move |asking, username, allowed| {
            offer(&url, &credentials, asking, username, allowed, &mut offered).map_err(|why| {
                *refusal.borrow_mut() = Some(Refusal::Authentication(why));
                git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "access was refused")
            })
        });
        let (url, known_hosts, refusal) =
            (self.url.clone(), self.credentials.known_hosts.clone(), self.refusal.clone());
        callbacks.certificate_check(move |certificate, host| {
            let (Some(key), Some(file)) = (certificate.as_hostkey(), &known_hosts) else {
                return Ok(CertificateCheckStatus::CertificatePassthrough);
            };
            match known_hosts::check(file, host, known_hosts::port_of(url.as_str()), key.hostkey().unwrap_or_default())
            {
                HostKeyCheck::Known => Ok(CertificateCheckStatus::CertificateOk),
                HostKeyCheck::Refused(why) => {
                    *refusal.borrow_mut() = Some(Refusal::Host(why));
                    Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Callback, "the host key was refused"))
                }
            }
        });
        let refusal = self.refusal.clone();
        callbacks.sideband_progress(move |_| !stop.is_asked());
        callbacks.transfer_progress(move |stats| {
            if let Some(progress) = progress {
                progress(Progress {
                    received_objects: stats.received_objects(),
                    total_objects: stats.total_objects(),
                    received_bytes: stats.received_bytes(),
                });
            }
            if stats.received_bytes() as u64 > most_bytes {
                *refusal.borrow_mut() = Some(Refusal::TooLarge);
                return false;
            }
            !stop.is_asked()
        });
        callbacks.update_tips(move |_, _, _| !stop.is_asked());
        callbacks
    }

    /// What an error of libgit2 means to the one who has to act on it.
    pub(super) fn error(&self, error: git2::Error) -> FetchError {
        let (doing, url) = (self.doing, self.url.to_string());
        let secrets = [self.url.password(), self.credentials.token.as_ref()].into_iter().flatten();
        // What it means is read from what it says, and a secret may be a word of that.
        let why = Quoted(Mask::new(secrets).apply(error.message())).to_string();
        match self.refusal.borrow().clone() {
            Some(Refusal::Authentication(why)) => return FetchError::Authentication { doing, url, why },
            Some(Refusal::Host(why)) => return FetchError::HostRefused { doing, url, why },
            Some(Refusal::TooLarge) => return FetchError::TooLarge { doing, url, why: more_than_may_be() },
            None => {}
        }
        let text = error.message().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match (error.code(), error.class()) {
            (ErrorCode::User, _) => FetchError::Cancelled { doing, url },
            (ErrorCode::Auth, _) => FetchError::Authentication { doing, url, why: self.no_access(&why) },
            (ErrorCode::Certificate, _) => FetchError::HostRefused { doing, url, why: advice_on_host(&self.url, &why) },
            (_, ErrorClass::NoMemory) => FetchError::Broke { doing, url, why: "there was not enough memory".into() },
            (_, ErrorClass::Ssl) if says(&["certificate"]) => {
                FetchError::HostRefused { doing, url, why: advice_on_host(&self.url, &why) }
            }
            (_, ErrorClass::Ssh) if says(&["hostkey", "host key"]) => {
                FetchError::HostRefused { doing, url, why: advice_on_host(&self.url, &why) }
            }
            (_, ErrorClass::Ssh) if says(&["exchange encryption keys", "key exchange", "kex", "negotiat"]) => {
                FetchError::Other { doing, url, why: no_key_exchange(&why) }
            }
            (_, ErrorClass::Ssh) if says(&["authenticat", "permission denied", "publickey", "auth"]) => {
                FetchError::Authentication { doing, url, why: self.no_access(&why) }
            }
            // A server that refuses a token may say nothing of how to sign in, which libgit2 takes for a way that it does not know.
            (_, ErrorClass::Http) if says(&["401", "403", "authentication"]) => {
                FetchError::Authentication { doing, url, why: self.no_access(&why) }
            }
            _ if says(&["sha256", "object format", "objectformat", "object-format", "oid type", "object id type"]) => {
                FetchError::ObjectFormat { doing, url }
            }
            (ErrorCode::Timeout, _) => FetchError::Unreachable { doing, url, why: "it does not answer in time".into() },
            (_, ErrorClass::Http) if says(&["404"]) => FetchError::NotFound { doing, url, why },
            (ErrorCode::NotFound, _) | (_, ErrorClass::Repository) => FetchError::NotFound { doing, url, why },
            (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl)
                if says(&[
                    "connect",
                    "resolve",
                    "timed out",
                    "timeout",
                    "refused",
                    "unreachable",
                    "reset",
                    "eof",
                    "socket",
                ]) =>
            {
                FetchError::Unreachable { doing, url, why }
            }
            (_, ErrorClass::Ssh) if says(&["not found", "does not exist", "not appear", "could not read"]) => {
                FetchError::NotFound { doing, url, why }
            }
            (_, ErrorClass::Net | ErrorClass::Ssh | ErrorClass::Http) => FetchError::Unreachable { doing, url, why },
            _ => FetchError::Other { doing, url, why },
        }
    }
}

/// Why nothing more is taken of a repository.
pub(super) fn more_than_may_be() -> String {
    "with this the project's mirror would be larger than `limits.repository` in launchway.toml allows. Take large files out of \
     the history (git filter-repo) and push again, or raise the limit"
        .to_string()
}

impl Connection {
    /// Why it is not let in, and what helps. What a host says of a token is seldom more than a number.
    fn no_access(&self, why: &str) -> String {
        match self.url.kind() {
            RemoteKind::Ssh => {
                format!("{why}. Add the public half of the project's key as a read-only deploy key there")
            }
            _ => match token(&self.url, &self.credentials) {
                Some(_) => WRONG_TOKEN.to_string(),
                None => NO_TOKEN.to_string(),
            },
        }
    }
}

const WRONG_TOKEN: &str = "the token is wrong, has expired, or may not read this repository. Put a new one where launchway.toml \
                           says the project's token comes from";
const NO_TOKEN: &str =
    "the repository asks for a token, and none is configured for the project in launchway.toml (`token`)";

fn token<'a>(url: &'a RemoteUrl, credentials: &'a GitCredentials) -> Option<&'a Secret> {
    credentials.token.as_ref().or(url.password()).filter(|token| !Secret::is_empty(token))
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub received_objects: usize,
    pub total_objects: usize,
    pub received_bytes: usize,
}

/// The next credential to try, or why there is none. A server that asks twice has refused the first.
fn offer(
    url: &RemoteUrl,
    credentials: &GitCredentials,
    asking: &str,
    username: Option<&str>,
    allowed: CredentialType,
    offered: &mut u32,
) -> Result<Cred, String> {
    let failed = |error: git2::Error| format!("the credential could not be used: {}", Quoted(error.message()));
    if !is_same_host(url, asking) {
        return Err("the server redirects to another host, which is not shown the token".to_string());
    }
    let account = credentials.username.as_deref().or(url.username()).or(username);
    if allowed.contains(CredentialType::USERNAME) {
        return Cred::username(account.unwrap_or("git")).map_err(failed);
    }
    *offered += 1;
    if allowed.contains(CredentialType::SSH_KEY) {
        let key = credentials.ssh_key.as_deref().ok_or_else(|| {
            "the host asks for an ssh key, and none is configured for the project in launchway.toml".to_string()
        })?;
        if *offered > 1 {
            return Err(format!(
                "the host does not accept the project's ssh key for {}. Add its public half as a read-only deploy key there",
                account.unwrap_or("git")
            ));
        }
        if let Some(trouble) = ssh_key::trouble(key) {
            return Err(trouble.to_string());
        }
        return Cred::ssh_key(account.unwrap_or("git"), None, key, None).map_err(failed);
    }
    if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) {
        let token = token(url, credentials).ok_or(NO_TOKEN)?;
        if *offered > 1 {
            return Err(WRONG_TOKEN.to_string());
        }
        return Cred::userpass_plaintext(account.unwrap_or("oauth2"), token.expose()).map_err(failed);
    }
    Err("the host asks for a kind of credential that Launchway does not have".to_string())
}

/// Whether `asking` (the URL after redirects) is still the configured host, as well protected as before.
fn is_same_host(url: &RemoteUrl, asking: &str) -> bool {
    match url.kind() {
        RemoteKind::Https | RemoteKind::Http => url::Url::parse(asking).is_ok_and(|asking| {
            let as_safe = asking.scheme() == "https" || url.kind() == RemoteKind::Http;
            as_safe && asking.host_str().map(str::to_ascii_lowercase).as_deref() == url.host()
        }),
        // ssh does not redirect.
        RemoteKind::Ssh | RemoteKind::Path => true,
    }
}

fn no_key_exchange(why: &str) -> String {
    format!(
        "the host answers, and the two find no way to encrypt what they say: {why}. Let its ssh server offer a usual one, such \
         as curve25519-sha256 or ecdh-sha2-nistp256 with a key of kind ed25519, ecdsa or rsa-sha2, or name the repository by https"
    )
}

fn advice_on_host(url: &RemoteUrl, why: &str) -> String {
    match url.kind() {
        RemoteKind::Ssh => format!(
            "{why}. Compare the host's key with what its operator publishes, then add it: {} >> known_hosts",
            keyscan(url.host().unwrap_or_default(), known_hosts::port_of(url.as_str()), None)
        ),
        _ => format!("{why}. A certificate of your own authority belongs into the system's store"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str, message: &str) -> FetchError {
        error_of(url, ErrorClass::Ssh, message, None)
    }

    fn error_of(url: &str, class: ErrorClass, message: &str, token: Option<&str>) -> FetchError {
        let url = RemoteUrl::parse(url, true).unwrap();
        let credentials = GitCredentials { token: token.map(Secret::new), ..GitCredentials::default() };
        Connection::new(url, credentials, "fetching").error(git2::Error::new(ErrorCode::GenericError, class, message))
    }

    #[test]
    fn a_token_that_is_refused_is_said_to_be_whatever_the_server_says() {
        let url = "https://git.example.com/acme/shop.git";
        for said in [
            "server requires authentication that we do not support",
            "remote authentication required but no callback set",
            "unexpected http status code: 403",
        ] {
            let wrong = error_of(url, ErrorClass::Http, said, Some("hunter2"));
            assert!(matches!(&wrong, FetchError::Authentication { .. }), "{wrong}");
            assert!(wrong.to_string().contains("the token is wrong, has expired, or may not read"), "{wrong}");
            assert!(!wrong.to_string().contains("support"), "{wrong}");
            let none = error_of(url, ErrorClass::Http, said, None).to_string();
            assert!(none.contains("none is configured for the project"), "{none}");
        }
    }

    #[test]
    fn a_failed_key_exchange_is_no_unreachable_host() {
        let url = "ssh://git@git.example.com:2222/acme/shop.git";
        let said = error(url, "failed to start SSH session: Unable to exchange encryption keys").to_string();
        assert!(said.contains("the host answers, and the two find no way to encrypt"), "{said}");
        assert!(!said.contains("cannot be reached"), "{said}");
        let said = error(url, "invalid or unknown remote ssh hostkey").to_string();
        assert!(said.ends_with("then add it: ssh-keyscan -p 2222 git.example.com >> known_hosts"), "{said}");
    }
}
