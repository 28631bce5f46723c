//! Whether a source of a build lies in the commit, or on which host.

use super::words::UNKNOWN;

/// Whether the engine would fetch it, and from which host, where that is beyond doubt. `None`: it is a path of the commit.
pub fn remote(source: &str) -> Option<Option<String>> {
    let sure = source.split(UNKNOWN).next().unwrap_or_default();
    let is_sure = sure.len() == source.len();
    let lower = sure.to_ascii_lowercase();
    if let Some((scheme, rest)) = lower.split_once("://") {
        let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if is_scheme {
            let Some((authority, _)) = rest.split_once('/') else {
                return Some(is_sure.then(|| host(rest)).flatten());
            };
            return Some(host(authority));
        }
        return None;
    }
    // `user@host:path`, as ssh has it.
    let (first, rest) = sure.split_once('/').map_or((sure, None), |(first, rest)| (first, Some(rest)));
    if let Some((_, after)) = first.split_once('@')
        && let Some((name, _)) = after.split_once(':')
    {
        return Some(host(name));
    }
    match is_sure || (rest.is_some() && !first.contains(':')) || sure.starts_with('.') {
        // Nothing that follows makes it an address any more.
        true => None,
        false => Some(None),
    }
}

/// Only what every reader of addresses reads alike: names of letters, digits, dots and dashes, and a port. No user before
/// it, except in front of ssh's.
fn host(authority: &str) -> Option<String> {
    let name = authority.strip_prefix("git@").unwrap_or(authority);
    let (plain, port) = name.split_once(':').map_or((name, None), |(plain, port)| (plain, Some(port)));
    let is_name = !plain.is_empty() && plain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (is_name && is_port).then(|| name.to_ascii_lowercase())
}
