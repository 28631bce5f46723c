//! Secrets that are recognised by what they are, whatever their name: private keys, and passwords in URLs.

use std::borrow::Cow;

/// Pieces of each PEM private key in a text: all of it, its lines, and its lines without their breaks. Public keys and
/// certificates are none.
pub fn private_keys(text: &str) -> Vec<String> {
    let mut pieces = keys_in(text);
    // One line, as env files have it.
    if text.contains("\\n") {
        pieces.extend(keys_in(&text.replace("\\r", "").replace("\\n", "\n")));
    }
    pieces
}

const DASHES: &str = "-----";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

fn keys_in(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        rest = &rest[at..];
        let inside = &rest[BEGIN.len()..];
        let Some((label, body)) = inside.split_once(DASHES) else { break };
        let is_private = label.len() < 60 && label.contains("PRIVATE KEY");
        let Some(end) = body.find(END) else {
            // What was cut off is a key all the same.
            if is_private {
                pieces.extend(lines(body));
            }
            break;
        };
        let after = &body[end + END.len()..];
        let closes = after.find(DASHES).map_or(0, |at| at + DASHES.len());
        let whole = rest.len() - after.len() + closes;
        if is_private {
            pieces.push(rest[..whole].to_string());
            pieces.push(lines(&body[..end]).concat());
            pieces.extend(lines(&body[..end]));
        }
        rest = &rest[whole..];
    }
    pieces
}

/// Of a key's body, without the headers that old formats have.
fn lines(body: &str) -> Vec<String> {
    let lines = body.lines().filter(|line| !line.contains(": "));
    lines.flat_map(str::split_whitespace).map(str::to_string).collect()
}

/// Passwords in the URLs of a text, as they are written and as they are meant (`%40`). Also a name without a password that is
/// as long as a token.
pub fn passwords_in_urls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let rest = &rest[..rest.floor_char_boundary(LONGEST_USER)];
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(rest.len());
        let Some(user) = user_of(&rest[..end]) else { continue };
        let secret = match user.split_once(':') {
            Some((_, password)) => password,
            None if is_token(user) => user,
            None => continue,
        };
        if !secret.is_empty() {
            found.push(decoded(secret).into_owned());
            found.push(secret.to_string());
        }
    }
    found
}

/// A user with a password has so many bytes at most. URLs may lie within each other, and a commit can write as many of them as
/// it likes.
const LONGEST_USER: usize = 512;

/// A name where no password follows (`https://TOKEN@host`).
const SHORTEST_TOKEN: usize = 16;

fn is_token(user: &str) -> bool {
    user.len() >= SHORTEST_TOKEN
        && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '%'))
        && user.chars().any(|c| c.is_ascii_digit())
        && user.chars().any(|c| c.is_ascii_alphabetic())
}

/// What stands before the `@` of a URL's host. Passwords with a slash or question mark that nobody escaped count.
fn user_of(after_scheme: &str) -> Option<&str> {
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@') {
        return Some(user);
    }
    let (user, _) = after_scheme.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    // A port ends there: that is the host, and the `@` is in its path.
    let is_port = password.split(['/', '?', '#']).next().is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    (!is_port && authority.contains(':')).then_some(user)
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_private_key_is_found_whole_and_in_pieces_and_a_public_one_is_not() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEvQIBADAN\nBgkqhkiG9w0=\n-----END RSA PRIVATE KEY-----";
        let public = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZI\n-----END PUBLIC KEY-----";
        let found =
            private_keys(&format!("{public}\n{key}\n-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"));
        assert_eq!(found, [key, "MIIEvQIBADANBgkqhkiG9w0=", "MIIEvQIBADAN", "BgkqhkiG9w0="]);
        assert_eq!(private_keys(public), Vec::<String>::new());
        let one_line = key.replace('\n', "\\n");
        assert!(private_keys(&one_line).contains(&"MIIEvQIBADAN".to_string()));
        assert!(private_keys(&one_line).contains(&one_line));
        assert_eq!(private_keys("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN"), ["MIIEvQIBADAN"]);
    }

    #[test]
    fn passwords_are_found_in_urls_and_hosts_ports_and_paths_are_not() {
        let found = |text| passwords_in_urls(text);
        assert_eq!(found("postgres://shop:hunt%40er2@db:5432/shop"), ["hunt@er2", "hunt%40er2"]);
        assert_eq!(found("x redis://:hunter22@r/0, amqp://a:b/c?d@mq/"), ["hunter22", "hunter22", "b/c?d", "b/c?d"]);
        assert_eq!(
            found("https://ghp_0123456789abcdef@github.com/x"),
            ["ghp_0123456789abcdef", "ghp_0123456789abcdef"]
        );
        for none in [
            "https://example.com/a:b@c",
            "http://host:8080/users/anna@example.com",
            "https://anna@example.com/",
            "ssh://git@host/x",
            "://",
            "a://@",
        ] {
            assert_eq!(found(none), Vec::<String>::new(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "(-----BEGIN (RSA )?PRIVATE KEY-----|-----END |-----|\\PC|\n|://|@|:|/|%){0,24}") {
            let _ = private_keys(&text);
            let _ = passwords_in_urls(&text);
        }
    }
}
