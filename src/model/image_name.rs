//! Names of images, as engines compare them.

/// A name with all that it leaves out: `node` is `docker.io/library/node:latest`. An image's id stays as it is.
///
/// Docker's rule: the first part is a registry when it has a dot or colon or is `localhost`; else it is Docker Hub.
pub fn full_image_name(reference: &str) -> String {
    let (name, digest) = reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
    let (name, tag) = match name.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((before, tag)) if !tag.contains('/') => (before, Some(tag)),
        _ => (name, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", name),
    };
    let registry = super::registry_name(registry);
    let library = if registry == "docker.io" && !path.contains('/') { "library/" } else { "" };
    match (digest, tag) {
        // A tag beside a digest says nothing more.
        (Some(digest), _) => format!("{registry}/{library}{path}@{digest}"),
        (None, tag) => format!("{registry}/{library}{path}:{}", tag.unwrap_or("latest")),
    }
}

/// The registry that a reference names.
pub fn registry_of(reference: &str) -> String {
    full_image_name(reference).split('/').next().unwrap_or_default().to_string()
}

/// A name without all that it can leave out: `node` for `docker.io/library/node:latest`. BuildKit looks a further context up
/// by this form of its name.
pub fn short_image_name(reference: &str) -> String {
    let full = full_image_name(reference);
    let short = full.strip_prefix("docker.io/").unwrap_or(&full);
    let short = short.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(short);
    short.strip_suffix(":latest").unwrap_or(short).to_string()
}

/// The same without tag and digest.
pub fn image_repository(reference: &str) -> String {
    let full = full_image_name(reference);
    let name = full.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before.to_string(),
        _ => name.to_string(),
    }
}

/// Whether it is one of the names under which Launchway keeps what it builds (`launchway/PROJECT/COMPONENT`), or what it makes
/// for itself. The base image of the examples (`launchway/base`) is none of them.
pub fn is_launchways_own(reference: &str) -> bool {
    let repository = image_repository(reference);
    let own = repository.strip_prefix("docker.io/launchway/");
    own.is_some_and(|rest| rest.contains('/') || ["front", "empty"].contains(&rest))
}

/// Whether a list of names has this one, however both are written.
pub fn lists_image(list: &[String], reference: &str) -> bool {
    let full = full_image_name(reference);
    list.iter().any(|listed| full_image_name(listed) == full)
}

/// The build argument by which BuildKit tells apart the caches of `RUN --mount=type=cache`. Launchway sets it.
pub const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// The image that an entry of `cache_from` names: it is one, or `type=registry,ref=NAME`.
pub fn cache_source(text: &str) -> &str {
    text.split(',').find_map(|part| part.trim().strip_prefix("ref=")).unwrap_or(text)
}

/// Docker's own frontends of BuildKit.
const FRONTENDS: [&str; 2] = ["docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"];

/// Whether a frontend (`docker/dockerfile:1`) is Docker's own or listed, by its name without tag and digest.
pub fn is_known_frontend(reference: &str, listed: &[String]) -> bool {
    let name = image_repository(reference);
    FRONTENDS.contains(&name.as_str()) || listed.iter().any(|listed| image_repository(listed) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_the_same_however_it_is_written() {
        for name in ["node", "node:latest", "library/node", "docker.io/node", "index.docker.io/library/node:latest"] {
            assert_eq!(full_image_name(name), "docker.io/library/node:latest", "{name}");
            assert_eq!(short_image_name(name), "node", "{name}");
        }
        assert_eq!(full_image_name("localhost:5000/a/b"), "localhost:5000/a/b:latest");
        assert_eq!(full_image_name("ghcr.io/a/b:1@sha256:0a"), "ghcr.io/a/b@sha256:0a");
        for short in ["node:20", "a/b", "ghcr.io/a/b", "localhost:5000/library/b:1"] {
            assert_eq!(short_image_name(short), short);
        }
        assert_eq!(image_repository("ghcr.io:443/a/b@sha256:0a"), "ghcr.io:443/a/b");
        for own in
            ["launchway/shop/api:0a", "docker.io/launchway/front:1", "index.docker.io/launchway/shop/api@sha256:0a"]
        {
            assert!(is_launchways_own(own), "{own}");
        }
        for other in [
            "launchway",
            "launchway/base:busybox",
            "launchway-test/base:1",
            "ghcr.io/launchway/x",
            "docker.io/library/launchway/x",
        ] {
            assert!(!is_launchways_own(other), "{other}");
        }
        assert!(is_known_frontend("docker/dockerfile:1.7-labs", &[]));
        assert!(!is_known_frontend("docker.io/docker/dockerfiles:1", &[]));
        assert!(is_known_frontend("ghcr.io/x/y:2", &["ghcr.io/x/y".into()]));
    }
}
