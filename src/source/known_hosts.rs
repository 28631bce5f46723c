//! A project's own file of believed host keys, in OpenSSH's format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::path::Path;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostKeyCheck {
    Known,
    /// Why, with what to do.
    Refused(String),
}

/// Whether `file` believes `key` (the raw key blob) for `host`. `port` is absent for ssh's own.
pub(super) fn check(file: &Path, host: &str, port: Option<u16>, key: &[u8]) -> HostKeyCheck {
    let name = match port {
        Some(port) if port != 22 => format!("[{host}]:{port}"),
        _ => host.to_string(),
    };
    let refused = |why: String| HostKeyCheck::Refused(why);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return refused(format!("the project's file of known hosts cannot be read: {error}")),
    };
    // Without its folder: this is shown on commits.
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let offered = key_kind(key);
    let mut other_kinds = Vec::new();
    let mut differs = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        let (marker, hosts) =
            if first.starts_with('@') { (Some(first), words.next().unwrap_or("")) } else { (None, first) };
        let (Some(kind), Some(encoded)) = (words.next(), words.next()) else { continue };
        if !names(hosts, &name) {
            continue;
        }
        let same = STANDARD.decode(encoded).is_ok_and(|known| known == key);
        match marker {
            Some("@revoked") if same => {
                return refused(format!("its key is marked as revoked in {file}"));
            }
            // Certificate authorities and revocations of other keys say nothing about this key.
            Some(_) => {}
            None if same => return HostKeyCheck::Known,
            None if kind == offered => differs = true,
            None => other_kinds.push(kind.to_string()),
        }
    }
    if differs {
        return refused(format!(
            "{name} shows another {offered} key than {file} holds: the host was set up anew, or somebody stands between. \
             Ask its operator, then replace the line"
        ));
    }
    if !other_kinds.is_empty() {
        return refused(format!(
            "{name} shows a key of kind {offered}, and {file} holds only {}. Add it: {}",
            other_kinds.join(", "),
            keyscan(host, port, Some(offered.trim_start_matches("ssh-")))
        ));
    }
    refused(format!(
        "{name} is not in {file}. Compare its key with what its operator publishes, then add it: {}",
        keyscan(host, port, None)
    ))
}

/// The command that shows a host's keys.
pub(super) fn keyscan(host: &str, port: Option<u16>, kind: Option<&str>) -> String {
    let port = port.filter(|port| *port != 22).map(|port| format!("-p {port} ")).unwrap_or_default();
    let kind = kind.map(|kind| format!("-t {kind} ")).unwrap_or_default();
    format!("ssh-keyscan {port}{kind}{host}")
}

/// The port that an `ssh://` URL names.
pub(super) fn port_of(url: &str) -> Option<u16> {
    url::Url::parse(url).ok().filter(|url| url.scheme() == "ssh").and_then(|url| url.port())
}

/// The kind of key, which its blob begins with: a length of four bytes, then the name (RFC 4253, 6.6).
fn key_kind(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize).unwrap_or(0);
    String::from_utf8_lossy(key.get(4..4 + length.min(64)).unwrap_or_default()).into_owned()
}

/// Whether a line's list of hosts (patterns, or one hashed name) means `name`.
fn names(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => return false,
            Some(_) => {}
            None => found |= matches(pattern, name),
        }
    }
    found
}

fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` and `?`, without regard to case.
fn matches(pattern: &str, name: &str) -> bool {
    fn rest(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', after)), _) => {
                rest(after, name) || name.split_first().is_some_and(|(_, name)| rest(pattern, name))
            }
            (Some((b'?', after)), Some((_, name))) => rest(after, name),
            (Some((p, after)), Some((n, name))) => p.eq_ignore_ascii_case(n) && rest(after, name),
            _ => false,
        }
    }
    rest(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, body: &[u8]) -> Vec<u8> {
        let mut key = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
        key.extend(kind.as_bytes());
        key.extend(body);
        key
    }

    fn check_text(text: &str, host: &str, port: Option<u16>, key: &[u8]) -> HostKeyCheck {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, text).unwrap();
        check(&file, host, port, key)
    }

    #[test]
    fn a_key_is_believed_for_the_hosts_of_its_line_only() {
        let (good, other) = (key("ssh-ed25519", b"good"), key("ssh-ed25519", b"other"));
        let line = |hosts: &str| format!("# ours\n{hosts} ssh-ed25519 {}\n", STANDARD.encode(&good));
        assert_eq!(check_text(&line("git.example.com"), "git.example.com", None, &good), HostKeyCheck::Known);
        assert_eq!(
            check_text(&line("*.example.com,!bad.example.com"), "git.example.com", None, &good),
            HostKeyCheck::Known
        );
        assert_eq!(check_text(&line("[host]:2222"), "host", Some(2222), &good), HostKeyCheck::Known);
        for (hosts, host, port, key, why) in [
            ("*.example.com,!bad.example.com", "bad.example.com", None, &good, "is not in"),
            ("host", "host", Some(2222), &good, "is not in"),
            ("host", "elsewhere", None, &good, "is not in"),
            ("host", "host", None, &other, "another ssh-ed25519 key"),
            ("@revoked host", "host", None, &good, "revoked"),
            ("@cert-authority host", "host", None, &good, "is not in"),
        ] {
            match check_text(&line(hosts), host, port, key) {
                HostKeyCheck::Refused(text) => assert!(text.contains(why), "{hosts}: {text}"),
                HostKeyCheck::Known => panic!("{hosts} believed for {host}"),
            }
        }
    }

    #[test]
    fn hashed_names_are_understood() {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"01234567890123456789").unwrap();
        mac.update(b"git.example.com");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let good = key("ssh-ed25519", b"good");
        let line =
            format!("|1|{}|{hash} ssh-ed25519 {}", STANDARD.encode(b"01234567890123456789"), STANDARD.encode(&good));
        assert_eq!(check_text(&line, "git.example.com", None, &good), HostKeyCheck::Known);
        assert!(matches!(check_text(&line, "git.example.org", None, &good), HostKeyCheck::Refused(_)));
    }

    #[test]
    fn a_key_of_another_kind_says_which_one_is_missing() {
        let line = format!("host ssh-rsa {}", STANDARD.encode(key("ssh-rsa", b"x")));
        let HostKeyCheck::Refused(why) = check_text(&line, "host", None, &key("ssh-ed25519", b"y")) else { panic!() };
        insta::assert_snapshot!(why, @"host shows a key of kind ssh-ed25519, and known_hosts holds only ssh-rsa. Add it: ssh-keyscan -t ed25519 host");
    }
}
