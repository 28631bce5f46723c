//! What is changed in every request that bollard makes. Pure.

/// The URI with the socket and the API's version in it, or `None` where nothing is to be changed.
///
/// bollard sends paths without a version, which a newer engine would answer in forms that bollard does not know yet.
/// The version itself (`minor` of 1.x, 0 before it is known) is asked without one: an older engine would refuse the
/// question. `socket` is the path of a Unix socket, which stands in the URI as hex digits (hyperlocal's form).
pub(super) fn uri(uri: &str, socket: Option<&str>, minor: u32) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/')?);
    let authority = socket.map_or_else(|| authority.to_string(), hex::encode);
    let plain = minor == 0 || path == "/version" || path.starts_with("/v1.");
    let version = if plain { String::new() } else { format!("/v1.{minor}") };
    let wanted = format!("{scheme}://{authority}{version}{path}");
    (wanted != uri).then_some(wanted)
}

/// The engine decodes registry credentials as URL-safe base64; bollard writes the other alphabet, and a password whose
/// text needs the two letters that differ would be dropped in silence.
pub(super) fn url_safe(base64: &str) -> String {
    base64.replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_the_socket_in_the_version_that_both_speak() {
        let wanted = |asked: &str, minor| uri(asked, Some("/s"), minor).unwrap();
        assert_eq!(wanted("unix://2f/containers/json?all=true", 44), "unix://2f73/v1.44/containers/json?all=true");
        assert_eq!(wanted("unix://2f/version", 44), "unix://2f73/version");
        assert_eq!(wanted("unix://2f/info", 0), "unix://2f73/info");
        assert_eq!(uri("http://host:2375/info", None, 41).unwrap(), "http://host:2375/v1.41/info");
        assert_eq!(uri("http://host:2375/v1.41/info", None, 44), None);
    }
}
