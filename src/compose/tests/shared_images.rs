//! Who names an image that another service of the file builds, uses that build.

use super::*;
use crate::model::{AdditionalContext, BuildSpec, Stack};
use insta::assert_snapshot;

/// Who uses whose build, and as what: a line for each.
fn shared(stack: &Stack) -> String {
    let mut lines = Vec::new();
    for (name, component) in &stack.components {
        lines.extend(component.builder.iter().map(|builder| format!("{name} is {builder}")));
        let bases = component.build.iter().flat_map(BuildSpec::built_by_others);
        lines.extend(bases.map(|(as_what, builder)| format!("{name} is built from {as_what}, which {builder} builds")));
    }
    lines.join("\n")
}

fn of(compose: &str, dockerfile: &str) -> String {
    match read_one(compose, &[("web/Dockerfile", "FROM alpine\n"), ("api/Dockerfile", dockerfile)]) {
        Ok(stack) => shared(&stack),
        Err(problems) => problems,
    }
}

const WEB: &str = "services:\n  web: { build: { context: ./web, tags: ['ghcr.io/shop/web:2'] }, image: shop/web }\n";

#[test]
fn a_service_that_names_the_image_of_another_ones_build_uses_that_build_however_the_name_is_written() {
    let workers = "
  a: { image: shop/web }
  b: { image: 'docker.io/shop/web:latest' }
  c: { image: 'index.docker.io/shop/web', pull_policy: missing }
  d: { image: 'ghcr.io/shop/web:2', pull_policy: never }
  e: { image: 'ghcr.io/shop/web' }
  f: { image: 'shop/web:2' }
  g: { image: 'shop/web@sha256:0aa1' }
  own: { image: shop/web, build: ./web }
";
    assert_snapshot!(of(&format!("{WEB}{workers}"), ""), @r"
    a is web
    b is web
    c is web
    d is web
    ");
}

#[test]
fn who_pulls_always_is_told_that_it_may_run_other_code() {
    let compose = format!("{WEB}  worker: {{ image: shop/web, pull_policy: always }}\n");
    assert_eq!(of(&compose, ""), "");
    assert_snapshot!(messages(&compose, &[("web/Dockerfile", "FROM alpine\n")]), @"warning: compose.yaml:3: services.worker.pull_policy: web builds shop/web; it is pulled all the same, so worker may run other code than web. Without `pull_policy: always` it uses the build of web");
}

#[test]
fn a_builder_that_no_profile_wants_leaves_a_name_like_any_other_and_that_is_said() {
    let compose =
        "services:\n  web: { build: ./web, image: shop/web, profiles: [full] }\n  worker: { image: shop/web }\n";
    let files = [("web/Dockerfile", "FROM alpine\n"), ("compose.yaml", compose)];
    let (tree, project) = (MemoryTree::new(files), shop());
    assert_snapshot!(said(&request(&tree, &project)), @"note: compose.yaml:3: services.worker.image: web builds shop/web, and is left out because none of its profiles is wanted; so this is a name like any other, and is pulled");
    let reading = read(&ReadRequest { profiles: vec!["full".into()], ..request(&tree, &project) }).unwrap();
    assert_eq!((shared(&reading.stack).as_str(), reading.problems.len()), ("worker is web", 0));
}

#[test]
fn of_two_that_build_an_image_of_one_name_the_first_counts_and_different_ones_are_told() {
    let two = |second: &str| {
        format!(
            "services:\n  web: {{ build: ./web, image: x }}\n  also: {{ build: {second}, image: x }}\n  worker: {{ image: x }}\n"
        )
    };
    let files = [("web/Dockerfile", "FROM alpine\n"), ("api/Dockerfile", "FROM alpine\n")];
    assert_eq!(of(&two("./web"), ""), "worker is web");
    assert_eq!(messages(&two("./web"), &files), "");
    assert_snapshot!(messages(&two("./api"), &files), @"warning: compose.yaml:4: services.worker.image: web and also both build x, each in its own way; worker uses the build of web, which comes first. Give them different names");
}

#[test]
fn a_dockerfile_that_names_the_image_of_another_ones_build_is_built_from_that() {
    let from = |dockerfile: &str| {
        let api = "  api: { build: { context: ./api, args: { BASE: shop/web } } }\n";
        of(&format!("{WEB}{api}"), dockerfile)
    };
    for dockerfile in [
        "FROM shop/web\n",
        "FROM --platform=$BUILDPLATFORM docker.io/shop/web:latest AS x\nFROM x\n",
        "ARG BASE\nFROM ${BASE}\n",
        "ARG OTHER=shop/web\nFROM ${OTHER:-alpine}\n",
        "FROM alpine\nCOPY --from=shop/web /a /a\n",
        "FROM alpine\nRUN --mount=type=bind,from=shop/web,target=/x true\n",
    ] {
        assert_eq!(from(dockerfile), "api is built from shop/web, which web builds", "{dockerfile}");
    }
    for dockerfile in [
        "FROM shop/webs\n",
        // Stages go before images.
        "FROM alpine AS shop\nFROM shop\nCOPY --from=shop /a /a\n",
        // What is not needed for the last stage is left out by BuildKit.
        "FROM shop/web AS unused\nFROM alpine\n",
        // Only whoever builds on it carries it out.
        "FROM alpine\nONBUILD COPY --from=shop/web /a /a\n",
    ] {
        assert_eq!(from(dockerfile), "", "{dockerfile}");
    }
}

#[test]
fn what_a_stage_does_not_need_is_no_base_of_it() {
    let dockerfile = "FROM alpine AS base\nFROM shop/base AS app\nFROM shop/app AS tests\n";
    let compose = "
services:
  base: { build: { context: ./api, target: base }, image: shop/base }
  app: { build: { context: ./api, target: app }, image: shop/app }
  tests: { build: { context: ./api } }
";
    assert_snapshot!(of(compose, dockerfile), @r"
    app is built from shop/base, which base builds
    tests is built from shop/app, which app builds
    ");
}

#[test]
fn a_further_context_that_is_the_image_of_another_ones_build_is_that_build() {
    let api = "  api: { build: { context: ./api, additional_contexts: { base: 'docker-image://shop/web', web: 'service:web', far: 'docker-image://alpine' } } }\n";
    let read = read_one(
        &format!("{WEB}{api}"),
        &[("web/Dockerfile", "FROM alpine\n"), ("api/Dockerfile", "FROM base\nCOPY --from=web / /\n")],
    );
    let stack = read.unwrap();
    assert_snapshot!(shared(&stack), @r"
    api is built from base, which web builds
    api is built from web, which web builds
    ");
    let far = AdditionalContext::Reference("docker-image://alpine".into());
    assert_eq!(stack.components["api"].build.as_ref().unwrap().additional_contexts["far"], far);
}

#[test]
fn whoever_gives_a_name_to_its_own_build_means_a_registrys_image_by_it() {
    let compose = "services:\n  web: { build: ./api, image: nginx }\n  api: { build: ./api, image: 'nginx:latest' }\n";
    assert_eq!(of(compose, "FROM nginx\n"), "");
}

#[test]
fn builds_that_need_each_other_are_refused_with_the_way_round() {
    let compose = "
services:
  web: { build: { context: ./web, additional_contexts: { tools: 'service:tools' } }, image: shop/web }
  tools: { build: { context: ./web, dockerfile_inline: 'FROM shop/api' } }
  api: { build: { context: ./api }, image: shop/api }
  self: { build: { context: ./web, additional_contexts: { me: 'service:self' } } }
";
    assert_snapshot!(of(compose, "FROM shop/web\n"), @r"
    compose.yaml:5: services.api.build: these components are built from each other's images in a circle: api -> web -> tools -> api
    compose.yaml:6: services.self.build: these components are built from each other's images in a circle: self -> self
    ");
}

#[test]
fn what_is_built_for_another_platform_cannot_be_used() {
    let compose = "
services:
  web: { build: { context: ./web, platforms: [linux/arm64] }, image: shop/web }
  worker: { image: shop/web, platform: linux/amd64 }
";
    assert_snapshot!(of(compose, ""), @"compose.yaml:4: services.worker.platform: web builds shop/web for linux/arm64, and this is to run on linux/amd64");
}
