//! Where images and files of builds come from is refused unless the server's settings allow it.

use super::*;
use crate::model::Permissions;
use insta::assert_snapshot;

const COMPOSE: &str = r#"
services:
  web:
    image: launchway/other/api:0a
  api:
    image: docker.io/launchway/other/api:0a
    build:
      context: .
      tags: [shop/api:1, launchway/other/api:0b]
      args: { BUILDKIT_SYNTAX: "evil/frontend:1 x", BUILDKIT_CACHE_MOUNT_NS: other }
      cache_from: ["type=registry,ref=ghcr.io/x/cache:1"]
      additional_contexts:
        image: docker-image://launchway/other/api:0a
        far: https://example.com/x.git
        farther: git@example.org:a/b.git
        user: https://a:b@example.com/x.git
"#;

const DOCKERFILE: &str =
    "# syntax=docker/dockerfile:1\nFROM launchway/other/api:0a\nADD https://example.com/a /\nCOPY --from=image / /\n";

#[test]
fn what_a_build_would_take_from_elsewhere_is_refused_with_the_line_that_allows_it() {
    assert_snapshot!(messages(COMPOSE, &[("Dockerfile", DOCKERFILE)]), @r#"
    compose.yaml:3: services.web.image: launchway/other/api:0a is an image that Launchway built, and may be another project's; `allow.images = ["launchway/other/api:0a"]` of the project in launchway.toml allows it
    compose.yaml:5: services.api.image: docker.io/launchway/other/api:0a is one of the names under which Launchway keeps what it builds; give it another name
    compose.yaml:5: services.api.build.tags: launchway/other/api:0b is one of the names under which Launchway keeps what it builds; give it another name
    note: compose.yaml:5: services.api.build.cache_from: `cache_from` is left out: what a cache says is believed, also where other projects build the same steps; `allow.images = ["ghcr.io/x/cache:1"]` of the project in launchway.toml uses it
    compose.yaml:5: services.api.build.additional_contexts.far: the engine would fetch https://example.com/x.git, and it reaches what only its host should, so it is refused; use `RUN` with curl or git, or `allow.build-remote = ["example.com"]` of the project in launchway.toml allows it
    compose.yaml:5: services.api.build.additional_contexts.farther: the engine would fetch git@example.org:a/b.git, and it reaches what only its host should, so it is refused; use `RUN` with curl or git, or `allow.build-remote = ["example.org"]` of the project in launchway.toml allows it
    compose.yaml:5: services.api.build.additional_contexts.image: launchway/other/api:0a is an image that Launchway built, and may be another project's; `allow.images = ["launchway/other/api:0a"]` of the project in launchway.toml allows it
    compose.yaml:5: services.api.build.additional_contexts.user: which host https://a:b@example.com/x.git is fetched from cannot be told; write it out as https://HOST/PATH, without a user and without variables in the host
    compose.yaml:5: services.api.build.args.BUILDKIT_CACHE_MOUNT_NS: each project has caches of its own, and Launchway names them; leave it out
    compose.yaml:5: services.api.build.args.BUILDKIT_SYNTAX: the frontend evil/frontend:1 would decide what the engine fetches and runs, so it is refused; `allow.frontends = ["evil/frontend"]` of the project in launchway.toml allows it
    "#);
    // What a frontend of one's own would make of the Dockerfile is its own affair; here none is.
    let plain = "services: { api: { build: . } }\n";
    assert_snapshot!(messages(plain, &[("Dockerfile", DOCKERFILE)]), @r#"
    Dockerfile:2: launchway/other/api:0a is an image that Launchway built, and may be another project's; `allow.images = ["launchway/other/api:0a"]` of the project in launchway.toml allows it
    Dockerfile:3: the engine would fetch https://example.com/a, and it reaches what only its host should, so it is refused; use `RUN` with curl or git, or `allow.build-remote = ["example.com"]` of the project in launchway.toml allows it
    "#);
}

#[test]
fn what_is_listed_is_taken() {
    let compose = r#"
services:
  web: { image: "launchway/other/api:0a" }
  api:
    build:
      context: .
      cache_from: [ghcr.io/x/cache:1]
      additional_contexts: { image: "docker-image://launchway/other/api:0a", far: "https://example.com/x.git" }
"#;
    let dockerfile = DOCKERFILE.replace("docker/dockerfile:1", "ghcr.io/x/frontend:2");
    let files = [("compose.yaml", compose), ("Dockerfile", dockerfile.as_str())];
    let (tree, project) = (MemoryTree::new(files), shop());
    let allowed = Permissions {
        images: vec!["launchway/other/api:0a".into(), "ghcr.io/x/cache:1".into()],
        build_remote: vec!["example.com".into()],
        frontends: vec!["ghcr.io/x/frontend".into()],
        ..Permissions::default()
    };
    assert_eq!(said(&ReadRequest { allowed, ..request(&tree, &project) }), "");
}
