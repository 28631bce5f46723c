//! The ssh host keys that the operator named (`known_hosts`). Without such a file libgit2 checks the user's own.

use base64::Engine;
use git2::{ErrorClass, ErrorCode};
use std::path::Path;

/// Whether the file names this key for the host. Entries with hashed names are not understood.
pub(super) fn check(
    file: &Path,
    host: &str,
    port: Option<u16>,
    key: &git2::cert::CertHostkey<'_>,
) -> Result<(), git2::Error> {
    let refuse = |why: String| Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, why));
    let Some(raw) = key.hostkey() else {
        return refuse(format!("{host} showed no host key"));
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return refuse(format!("the project's file of known hosts cannot be read: {error}")),
    };
    if names(&text, host, raw) {
        return Ok(());
    }
    refuse(format!(
        "the host key of {host} is not in {file}; compare it with the server's, then add it: ssh-keyscan {port}{host} >> {file}",
        file = file.file_name().unwrap_or_default().to_string_lossy(),
        port = port.filter(|port| *port != 22).map(|port| format!("-p {port} ")).unwrap_or_default()
    ))
}

/// Lines are `name[,name...] type base64-key`, a name with a port being `[host]:port` (sshd(8)). libgit2 does not say
/// the port, so an entry of any port of the host counts.
fn names(text: &str, host: &str, raw: &[u8]) -> bool {
    let wanted = base64::engine::general_purpose::STANDARD.encode(raw);
    text.lines().any(|line| {
        let mut parts = line.split_whitespace();
        // `@revoked` and `@cert-authority` lines begin with a marker, which is then no name of a host.
        let (Some(hosts), Some(_kind), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return false };
        key == wanted
            && hosts.split(',').any(|name| {
                let name = name.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(name, |(name, _)| name);
                name.eq_ignore_ascii_case(host)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_is_named_for_the_host_is_accepted() {
        let file =
            "# comment\n@revoked git.example.com ssh-ed25519 c2VjcmV0\nother,[Git.example.com]:2222 ssh-ed25519 a2V5\n";
        assert!(names(file, "git.example.com", b"key"));
        assert!(names(file, "other", b"key"));
        assert!(!names(file, "git.example.com", b"secret"));
        assert!(!names(file, "evil.example.com", b"key"));
    }
}
