//! From a request's host and path to what it leads to. Pure.

use crate::model::Listen;
use std::collections::HashMap;

/// Looks up by host, then by the longest path prefix of whole segments. A host that has routes of its own is none of those
/// below another (`*.example.com`); of these the closest counts. The routes of any host serve what those that were found do not.
pub struct Router<T> {
    hosts: HashMap<Box<str>, Paths<T>>,
    /// By what stands behind `*.`.
    below: HashMap<Box<str>, Paths<T>>,
    any: Paths<T>,
}

/// Prefixes without the slash at their end, longest first; the empty one is every path.
struct Paths<T>(Vec<(Box<str>, T)>);

impl<T> Router<T> {
    /// `routes`: host (`None`: any), path (`None`: every), and what they lead to. Of equal ones the first stays.
    pub fn new(routes: impl IntoIterator<Item = (Option<String>, Option<String>, T)>) -> Self {
        let mut router = Self { hosts: HashMap::new(), below: HashMap::new(), any: Paths(Vec::new()) };
        for (host, path, target) in routes {
            let paths = match host {
                Some(host) => match host.strip_prefix("*.") {
                    Some(parent) => router.below.entry(parent.into()),
                    None => router.hosts.entry(host.into()),
                }
                .or_insert_with(|| Paths(Vec::new())),
                None => &mut router.any,
            };
            paths.0.push((Listen::prefix(path.as_deref()).into(), target));
        }
        for paths in router.hosts.values_mut().chain(router.below.values_mut()).chain([&mut router.any]) {
            paths.0.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        }
        router
    }

    /// `host` as the client wrote it: any case, perhaps with a port or a dot at its end. `path` without the query.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&T> {
        let own = match host {
            Some(host) if !self.hosts.is_empty() || !self.below.is_empty() => {
                let host = without_port(host);
                if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    self.of_host(&host.to_ascii_lowercase())
                } else {
                    self.of_host(host)
                }
            }
            _ => None,
        };
        own.and_then(|paths| paths.find(path)).or_else(|| self.any.find(path))
    }

    fn of_host(&self, host: &str) -> Option<&Paths<T>> {
        if let Some(own) = self.hosts.get(host) {
            return Some(own);
        }
        if self.below.is_empty() {
            return None;
        }
        let parents = host.match_indices('.').filter(|(at, _)| *at > 0);
        parents.into_iter().find_map(|(at, _)| self.below.get(&host[at + 1..]))
    }
}

impl<T> Paths<T> {
    fn find(&self, path: &str) -> Option<&T> {
        self.0.iter().find(|(prefix, _)| is_below(path, prefix)).map(|(_, target)| target)
    }
}

/// `/api` holds `/api` and `/api/x`, not `/apix`.
fn is_below(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.is_empty(),
        None => false,
    }
}

fn without_port(host: &str) -> &str {
    let name = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn router(routes: &[(Option<&str>, Option<&str>, &'static str)]) -> Router<&'static str> {
        Router::new(routes.iter().map(|(host, path, target)| (host.map(Into::into), path.map(Into::into), *target)))
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let router = router(&[
            (Some("shop.test"), None, "web"),
            (Some("shop.test"), Some("/api"), "api"),
            (Some("shop.test"), Some("/api/admin/"), "admin"),
            (None, Some("/health"), "health"),
        ]);
        for (host, path, target) in [
            ("shop.test", "/", Some("web")),
            ("shop.test", "/apix", Some("web")),
            ("shop.test", "/api", Some("api")),
            ("shop.test", "/api/", Some("api")),
            ("shop.test", "/api/administrators", Some("api")),
            ("shop.test", "/api/admin", Some("admin")),
            ("shop.test", "/api/admin/x", Some("admin")),
            ("SHOP.test.:8080", "/api", Some("api")),
            ("other.test", "/health/live", Some("health")),
            ("other.test", "/", None),
            ("shop.test", "*", Some("web")),
        ] {
            assert_eq!(router.find(Some(host), path).copied(), target, "{host}{path}");
        }
        assert_eq!(router.find(None, "/health").copied(), Some("health"));
    }

    #[test]
    fn a_host_without_a_route_for_the_path_falls_back_to_any_host() {
        let router = router(&[(Some("[::1]"), Some("/a"), "own"), (None, None, "any")]);
        assert_eq!(router.find(Some("[::1]:80"), "/a").copied(), Some("own"));
        assert_eq!(router.find(Some("[::1]:80"), "/b").copied(), Some("any"));
    }

    #[test]
    fn a_pattern_of_hosts_leads_all_below_it_that_have_no_routes_of_their_own() {
        let router = router(&[
            (Some("*.a.test"), None, "below"),
            (Some("*.b.a.test"), Some("/x"), "closer"),
            (Some("own.a.test"), Some("/api"), "own"),
            (None, Some("/health"), "any"),
        ]);
        for (host, path, target) in [
            ("x.a.test", "/", Some("below")),
            ("X.Y.a.test.:80", "/", Some("below")),
            ("x.b.a.test", "/x", Some("closer")),
            ("x.b.a.test", "/y", None),
            ("b.a.test", "/", Some("below")),
            ("own.a.test", "/api", Some("own")),
            ("own.a.test", "/", None),
            ("own.a.test", "/health", Some("any")),
            ("a.test", "/", None),
            (".a.test", "/", None),
            ("xa.test", "/", None),
        ] {
            assert_eq!(router.find(Some(host), path).copied(), target, "{host}{path}");
        }
    }

    proptest! {
        /// Beside a slow search that says the same in other words: segments, one by one.
        #[test]
        fn it_finds_what_a_search_by_segments_finds(
            prefixes in proptest::collection::btree_set("(/[ab]{1,2}){0,3}", 0..6),
            path in "(/[ab]{1,2}){0,4}/?",
        ) {
            let routes = prefixes.iter().map(|prefix| {
                let path = if prefix.is_empty() { None } else { Some(prefix.clone()) };
                (None, path, prefix.clone())
            });
            let router = Router::new(routes.collect::<Vec<_>>());
            let segments = |text: &str| text.split('/').skip(1).map(String::from).collect::<Vec<_>>();
            let expected = prefixes.iter().filter(|prefix| segments(&path).starts_with(&segments(prefix)));
            prop_assert_eq!(router.find(Some("x"), &path), expected.max_by_key(|prefix| prefix.len()));
        }
    }
}
