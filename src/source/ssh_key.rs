//! What is wrong with a file that ought to hold a private ssh key, as far as the file itself says it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// Why no host can be shown the key, with what to do; `None` where nothing speaks against it. The path stays unsaid: what is
/// said here is shown on commits.
pub(super) fn trouble(file: &Path) -> Option<&'static str> {
    match std::fs::read_to_string(file) {
        Ok(text) => trouble_of(&text),
        Err(_) => Some("the file that `ssh-key` of the project in launchway.toml names is not there or cannot be read"),
    }
}

const PUBLIC: &str = "`ssh-key` of the project in launchway.toml names the public half of a key. Name the private one: the \
                      file without .pub";
const PASSPHRASE: &str = "the project's ssh key has a passphrase, and nobody is there to type it. Make one without: ssh-keygen \
                          -t ed25519 -N '' -f deploy.key";
const CUT_OFF: &str = "the project's ssh key is cut off or damaged: it does not go on to its last line (-----END ...). Copy the \
                       whole file, its last line break too";
const NO_KEY: &str = "the file that `ssh-key` of the project in launchway.toml names holds no private key. Name one that \
                      ssh-keygen made (-----BEGIN OPENSSH PRIVATE KEY-----)";

fn trouble_of(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if ["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2 PUBLIC", "-----BEGIN PUBLIC"]
        .iter()
        .any(|p| first.starts_with(p))
    {
        return Some(PUBLIC);
    }
    let Some(kind) = first.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
        return Some(NO_KEY);
    };
    if !kind.ends_with("PRIVATE KEY") {
        return Some(NO_KEY);
    }
    let body: Vec<&str> = lines.collect();
    let Some((last, body)) = body.split_last().filter(|(last, _)| **last == format!("-----END {kind}-----")) else {
        return Some(CUT_OFF);
    };
    debug_assert!(last.starts_with("-----END"));
    if kind.starts_with("ENCRYPTED")
        || body.iter().any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
    {
        return Some(PASSPHRASE);
    }
    if kind.starts_with("OPENSSH") { of_openssh(&body.concat()) } else { None }
}

/// PROTOCOL.key of OpenSSH: a magic word, then texts with their lengths, the first of them the cipher's name.
fn of_openssh(body: &str) -> Option<&'static str> {
    let bytes = STANDARD.decode(body).ok();
    let Some(rest) = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(b"openssh-key-v1\0")) else {
        return Some(CUT_OFF);
    };
    let (cipher, mut rest) = match text(rest) {
        Some(found) => found,
        None => return Some(CUT_OFF),
    };
    if cipher != b"none" {
        return Some(PASSPHRASE);
    }
    // The way of the passphrase, its settings; how many keys; the public half; the private one.
    for skip in [0, 0, 4, 0] {
        let Some((_, after)) = rest.get(skip..).and_then(text) else { return Some(CUT_OFF) };
        rest = after;
    }
    None
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openssh(cipher: &str, cut: usize) -> String {
        let text = |text: &[u8]| [&(text.len() as u32).to_be_bytes(), text].concat();
        let parts = [
            b"openssh-key-v1\0".to_vec(),
            text(cipher.as_bytes()),
            text(b"none"),
            text(b""),
            vec![0, 0, 0, 1],
            text(b"public"),
            text(b"private"),
        ];
        let bytes = parts.concat();
        let body = STANDARD.encode(&bytes[..bytes.len() - cut]);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
    }

    #[test]
    fn each_trouble_has_its_own_sentence() {
        assert_eq!(trouble_of(&openssh("none", 0)), None);
        assert_eq!(trouble_of(&openssh("aes256-ctr", 0)), Some(PASSPHRASE));
        assert_eq!(trouble_of(&openssh("none", 3)), Some(CUT_OFF));
        let whole = openssh("none", 0);
        assert_eq!(trouble_of(&whole[..whole.len() - 20]), Some(CUT_OFF));
        assert_eq!(trouble_of("ssh-ed25519 AAAA deploy@host\n"), Some(PUBLIC));
        assert_eq!(trouble_of(""), Some(NO_KEY));
        assert_eq!(trouble_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Some(NO_KEY));
        let rsa = |head: &str| format!("-----BEGIN RSA PRIVATE KEY-----\n{head}AAAA\n-----END RSA PRIVATE KEY-----\n");
        assert_eq!(trouble_of(&rsa("")), None);
        assert_eq!(trouble_of(&rsa("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n")), Some(PASSPHRASE));
        let pkcs8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(trouble_of(pkcs8), Some(PASSPHRASE));
        let missing = trouble(Path::new("/nowhere/deploy.key")).unwrap();
        assert!(!missing.contains("nowhere"), "{missing}");
    }
}
