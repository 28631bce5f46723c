//! Names of hosts, in the one form in which they are compared.

use url::Host;

/// A host as clients ask for it: lower case, without a dot at its end, other alphabets in their ASCII form (`xn--...`). An
/// IPv4 address, however it is written, is its four numbers. The error says what is wrong.
pub fn host_name(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not a host name, such as shop.example.com");
    if text.contains(['*', '%', '/', ':', '@', ' ', '[', ']']) {
        return Err(wrong());
    }
    match Host::parse(text.strip_suffix('.').unwrap_or(text)) {
        // Of other marks, browsers ask for none, and the edge has none.
        Ok(Host::Domain(name))
            if !name.ends_with('.')
                && !name.contains("..")
                && name.len() <= 253
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)) =>
        {
            Ok(name)
        }
        Ok(Host::Ipv4(address)) => Ok(address.to_string()),
        _ => Err(wrong()),
    }
}

/// What a route may be for: a host, or all below one (`*.example.com`), in the form in which they are compared.
pub fn route_host(text: &str) -> Result<String, String> {
    match HostPattern::parse(text)? {
        HostPattern::Every => Err("`*` is every host: leave `host:` out, and give the route a `path:`".into()),
        pattern => Ok(pattern.to_string()),
    }
}

/// `shop.example.com`, `*.example.com`, or `*` for every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Every,
    /// All below this one, at any depth; not itself.
    Below(String),
    Exactly(String),
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Every => f.write_str("*"),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Exactly(host) => f.write_str(host),
        }
    }
}

impl HostPattern {
    /// `shop.example`, `*.example` or `*`, in one form whatever its spelling.
    ///
    /// # Errors
    /// What is no host, as the beginning of a sentence that names what would be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("*.") {
            _ if text == "*" => Ok(Self::Every),
            Some(rest) => host_name(rest).map(Self::Below),
            None => host_name(text).map(Self::Exactly),
        }
    }

    /// Whether a host is one of these, or all of a pattern's hosts are.
    pub fn covers(&self, host: &str) -> bool {
        self.closeness(Some(host)).is_some()
    }

    /// How closely it names this host: the larger, the closer. `None`: not at all. A route without a host is for every one.
    pub fn closeness(&self, host: Option<&str>) -> Option<usize> {
        match (self, host) {
            (Self::Every, _) => Some(0),
            (Self::Below(parent), Some(host)) => {
                let is_below = host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_below.then_some(1 + parent.len())
            }
            (Self::Exactly(own), Some(host)) => (own == host).then_some(usize::MAX),
            (_, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_form() {
        for (written, same) in [
            ("Shop.Example.COM", "shop.example.com"),
            ("shop.example.com.", "shop.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("ｓｈｏｐ.example", "shop.example"),
            ("shop。example", "shop.example"),
            ("127.1", "127.0.0.1"),
        ] {
            assert_eq!(host_name(written).as_deref(), Ok(same), "{written}");
        }
        for wrong in [
            "",
            ".",
            "a..b",
            "shop.example.com..",
            "*.example.com",
            "a b",
            "a:80",
            "a/b",
            "[::1]",
            "a%41",
            "a!b",
            "a,b",
            "a?b",
        ] {
            assert!(host_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_route_is_for_a_host_or_for_all_below_one() {
        assert_eq!(route_host("*.Shop.Example.com.").as_deref(), Ok("*.shop.example.com"));
        assert_eq!(route_host("*.bücher.example").as_deref(), Ok("*.xn--bcher-kva.example"));
        for wrong in ["*", "*.", "a.*.test", "**.a.test", "*a.test", "*.*.a.test"] {
            assert!(route_host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_names_hosts_more_or_less_closely() {
        let of = |pattern: &str, host| HostPattern::parse(pattern).unwrap().closeness(host);
        let shop = Some("shop.example.com");
        assert_eq!(of("SHOP.Example.com.", shop), Some(usize::MAX));
        assert!(
            of("*.shop.example.com", Some("a.b.shop.example.com")) > of("*.example.com", Some("a.b.shop.example.com"))
        );
        assert!(of("*.example.com", shop) > of("*", shop));
        for (pattern, host) in [("*.example.com", "example.com"), ("*.example.com", "badexample.com"), ("a.b", "b")] {
            assert_eq!(of(pattern, Some(host)), None, "{pattern} {host}");
        }
        assert_eq!(of("*", None), Some(0));
        assert_eq!(of("*.com", None), None);
        assert!(HostPattern::parse("*.a.com").unwrap().covers("*.b.a.com"));
        assert!(!HostPattern::parse("*.b.a.com").unwrap().covers("*.a.com"));
        assert!(HostPattern::parse("a.*.com").is_err() && HostPattern::parse("").is_err());
    }
}
