use super::*;
use crate::model::plain;
use std::collections::BTreeMap;

/// `image REFERENCE` and `add SOURCE from HOST`, a line each; what is not known is `?`.
fn told_with(text: &str, settings: &Settings<'_>) -> String {
    let found = match fetched(text, settings) {
        Ok(found) => found,
        Err((line, why)) => return format!("{line}: {why}\n"),
    };
    let known = |text: &Option<String>| text.clone().unwrap_or("?".into());
    let images = found.images.iter().map(|image| format!("{} image {}\n", image.line, known(&image.reference)));
    let remotes = found.remotes.iter().map(|remote| format!("{} add from {}\n", remote.line, known(&remote.host)));
    images.chain(remotes).collect()
}

fn told(text: &str) -> String {
    told_with(text, &Settings::default())
}

#[test]
fn what_a_dockerfile_names_is_found_in_whatever_form_buildkit_takes() {
    insta::assert_snapshot!(told("FROM node:20 AS build\nFROM build\nCOPY --from=build /a /a\nCOPY --from=0 /a /a\nCOPY --from=nginx:1 /a /a\n"), @r"
    1 image node:20
    5 image nginx:1
    ");
    insta::assert_snapshot!(told("ARG V=20\nFROM --platform=linux/arm64 node:${V:-18}-$UNSET\nRUN --mount=type=bind,\"from=a:1\" --mount=FROM=b:2,target=/x --network=none true\n"), @r"
    2 image node:20-
    3 image a:1
    3 image b:2
    ");
    // An escaped blank in a flag, whatever else escapes.
    insta::assert_snapshot!(told("# escape=`\nFROM scratch\nRUN --mount=target=/a\\ b,from=victim:1 x\n"), @"3 image victim:1");
    insta::assert_snapshot!(told("FROM scratch\nRUN --mount=fr\\om=victim:1 x\nCOPY --f\\rom=victim:2 a b\n"), @r"
    2 image victim:1
    3 image victim:2
    ");
}

#[test]
fn a_source_that_the_engine_would_fetch_is_found_however_it_is_written() {
    let from = |add: &str| told(&format!("FROM scratch\n{add}\n"));
    // Whose variables nobody knows.
    let on_base = |add: &str| told(&format!("FROM base\n{add}\n")).replace("1 image base\n", "");
    for (add, host) in [
        ("ADD http://a.example/x /x", "a.example"),
        ("add --checksum=sha256:0a --chown=1:1 HTTPS://A.example:8443/x /x", "a.example:8443"),
        ("ADD [\"http://a.example/x\", \"/x\"]", "a.example"),
        ("ADD [\"http:\\u002f/a.example/x\", \"/x\"] and what is not read", "a.example"),
        ("ADD ht\\\ntp://a.example/x /x", "a.example"),
        ("ADD ht\\\n# a comment\n\ntp://a.example/x /x", "a.example"),
        ("ADD ht\"tp:\"//a.example/x /x", "a.example"),
        ("ADD ht\\tp://a.example/x /x", "a.example"),
        ("ADD 'http://a.example/x' /x", "a.example"),
        ("ADD ht$1tp://a.example/x /x", "a.example"),
        ("ADD ht$@tp://a.example/x /x", "a.example"),
        ("ADD\thttp://a.example/x\t/x\r", "a.example"),
        ("ADD file1 http://a.example/x /x/", "a.example"),
        ("ADD git@a.example:owner/name.git /x", "git@a.example"),
        ("ADD git://a.example/name.git#main /x", "a.example"),
        ("ADD ssh://git@a.example/name.git /x", "a.example"),
        ("ONBUILD ADD http://a.example/x /x", "a.example"),
        ("ONBUILD\tadd [\"http://a.example/x\", \"/x\"]", "a.example"),
        ("ARG URL=http://a.example/x\nADD $URL /x", "a.example"),
        ("ENV A=http:// B=\"a.example\"\nENV U $A$B\nADD ${U}/x /x", "a.example"),
        ("ARG U\nADD ${U:-http://a.example}/x /x", "a.example"),
        ("ENV U=1\nADD ${U:+http://a.example}/x /x", "a.example"),
        ("ADD https://a.example/$NAME /x", "a.example"),
        // Nobody should have to agree on which host these name.
        ("ADD http://user@a.example/x /x", "?"),
        ("ADD http://a.example\\\\@b.example/x /x", "?"),
        ("ADD http://[::1]/x /x", "?"),
        ("ADD https://$HOST/x /x", "?"),
        ("ADD $SOURCE /x", "?"),
        ("ADD http:$SLASHES/x /x", "?"),
        ("ADD http:/$SLASH /x", "?"),
        ("ARG A=http://a.example/x\nADD ${A%x} /x", "?"),
        ("ADD [\"http\\ud800://a.example/x\", \"/x\"]", "?"),
    ] {
        let told = if host == "?" { on_base(add) } else { from(add) };
        let line = told.lines().next().unwrap_or_default();
        let expected = format!("add from {}", host.trim_start_matches("git@"));
        assert!(line.ends_with(&expected), "{add:?}: {told}");
    }
    for local in [
        "ADD . /x",
        "ADD app.tar.gz /x",
        "ADD target/$NAME.jar /x",
        "ADD ./$NAME /x",
        "ADD [a-z]*.txt /x/",
        "ARG JAR=target/*.jar\nADD ${JAR} app.jar",
        "ADD a/http://b /x",
        "COPY http://a.example /x",
        "RUN curl http://a.example",
        "# ADD http://a.example/x /x",
        "ENV U=http://a.example",
        "RUN true \\\n# ADD http://a.example/x /x\n && ADD http://a.example /x",
    ] {
        assert_eq!((from(local), on_base(local)), (String::new(), String::new()), "{local:?}");
    }
}

#[test]
fn what_one_version_of_buildkit_reads_as_an_instruction_counts_though_another_reads_it_as_text() {
    // Docker 20.10 knows no heredocs; here it would read four instructions.
    assert_eq!(told("FROM scratch\nRUN <<RUN\nADD http://a.example/x /x\nRUN\n"), "3 add from a.example\n");
    // What no such version can build is text.
    assert_eq!(told("FROM scratch\nRUN <<EOF\necho hello\nADD http://a.example/x /x\nEOF\nRUN true\n"), "");
    assert_eq!(
        told("FROM scratch\nRUN <<-'EOF' cat\n\techo\n\tEOF\nADD http://a.example/x /x\n"),
        "5 add from a.example\n"
    );
    assert_eq!(
        told("FROM scratch\nCOPY <<a <<b /x/\none\na\ntwo\nb\nADD http://a.example/x /x\n"),
        "7 add from a.example\n"
    );
    // An escaped escape at the end of a line continues it for some.
    assert_eq!(told("FROM scratch\nRUN echo \\\\\nADD http://a.example/x /x\n"), "3 add from a.example\n");
    // `<<` in quotes may begin a heredoc, or not.
    assert!(
        told("FROM scratch\nRUN echo \"a <<EOF\"\nADD http://a.example/x /x\nEOF\n").contains("a.example")
            || told("FROM scratch\nRUN echo \"a <<EOF\"\nADD http://a.example/x /x\nEOF\n").contains("cannot be told")
    );
}

#[test]
fn what_no_version_reads_is_said_with_its_line() {
    insta::assert_snapshot!(told("FROM scratch\n\nFLY away\n"), @"3: unknown instruction: FLY");
    insta::assert_snapshot!(told("FROM scratch\nADD a\0b /x\n"), @"1: it holds a NUL, and is no text");
    insta::assert_snapshot!(told("FROM scratch\nRUN <<EOF\necho\n"), @"2: nothing ends the heredoc EOF");
}

#[test]
fn arguments_of_the_build_and_what_the_base_brings_along_count() {
    let base = sources_base(&[("V", "http://a.example")], &["ADD http://b.example/x /x", "COPY --from=victim:1 / /"]);
    let settings = Settings {
        args: BTreeMap::from([("TAG".to_string(), "2".to_string())]),
        contexts: BTreeMap::from([("given".into(), None), ("tool".into(), Some("tool:3".into()))]),
        target: None,
        platforms: Some(("linux/amd64", "linux/arm64")),
        bases: BTreeMap::from([("base:2".to_string(), base)]),
    };
    let text = "ARG TAG=1\nFROM base:$TAG\nARG V=local\nADD $V/x /x\nFROM given\nFROM tool-$TARGETARCH-$BUILDOS\nFROM Tool\nCOPY --from=given / /\n";
    insta::assert_snapshot!(told_with(text, &settings), @r"
    2 image base:2
    2 image victim:1
    6 image tool-arm64-linux
    7 image tool:3
    2 add from b.example
    4 add from a.example
    ");
    assert_eq!(told("FROM tool-$TARGETARCH\n"), "1 image ?\n");
}

fn sources_base(environment: &[(&str, &str)], triggers: &[&str]) -> Base {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Base { environment, triggers: triggers.iter().map(ToString::to_string).collect() }
}

#[test]
fn every_form_in_which_a_frontend_can_be_named_is_found() {
    let named = |text: &str| frontends(text).into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ");
    for text in [
        "# syntax=evil/frontend:1\nFROM scratch\n",
        "\u{feff}#syntax = evil/frontend:1  and more\nFROM scratch\n",
        "#!/usr/bin/env docker\n# SYNTAX=evil/frontend:1\r\nFROM scratch\n",
        "# escape=`\n# check=skip=all\n# syntax=evil/frontend:1\n",
        "// syntax=evil/frontend:1\nwhatever\n",
        "{ \"syntax\": \"evil/frontend:1\" }",
        "#!/bin/x\n{ \"\\u0073yntax\": \"evil/frontend:1\" }",
    ] {
        assert_eq!(named(text), "evil/frontend:1", "{text:?}");
    }
    assert_eq!(named("FROM scratch\n# syntax=evil/frontend:1\n"), "");
    assert_eq!(named("# syntax\nFROM scratch\nRUN echo '# syntax=x'\n"), "");
}

#[test]
fn variables_that_double_end_where_no_name_is_so_long() {
    let doubling = |seed: &str| {
        let mut text = format!("FROM base:1\nENV A0={seed}\n");
        for n in 1..60 {
            text.push_str(&format!("ENV A{n}=${{A{}}}${{A{}}}\nARG B{n}=$A{n}$A{n}\n", n - 1, n - 1));
        }
        text
    };
    let base = Base { environment: [("SEED".to_string(), "a".repeat(60_000))].into(), triggers: Vec::new() };
    let settings = Settings { bases: [("base:1".to_string(), base)].into(), ..Settings::default() };
    for seed in ["abcdefgh", "$SEED"] {
        let text = format!("{}ADD https://$A59/x /x\nCOPY --from=$A59 /x /x\n", doubling(seed));
        let found = fetched(&text, &settings).unwrap();
        // Which host and which image it is cannot be told.
        assert!(found.remotes.iter().all(|remote| remote.host.is_none()) && !found.remotes.is_empty(), "{found:?}");
        assert!(found.images.iter().any(|image| image.reference.is_none()), "{found:?}");
    }
    // Many stages that each take over what the one before has.
    let mut text = String::from("FROM scratch AS s0\n");
    for n in 0..500 {
        text.push_str(&format!("ENV V{n}={}\n", "x".repeat(1000)));
    }
    for n in 1..2000 {
        text.push_str(&format!("FROM s{} AS s{n}\n", n - 1));
    }
    let found = fetched(&text, &Settings::default()).unwrap();
    assert!(found.remotes.iter().any(|remote| remote.source.contains("more than")), "{:?}", found.remotes);
}

#[test]
fn an_image_is_named_otherwise_wherever_a_stage_needs_it_and_each_line_stays_where_it_is() {
    let names = BTreeMap::from([("shop/web".to_string(), "launchway/shop/web:0a".to_string())]);
    let named = |text: &str| {
        renamed(text, &Settings::default(), &names).unwrap_or_else(|(line, why)| format!("{line}: {}", plain(&why)))
    };
    for (text, expected) in [
        ("FROM shop/web\n", "FROM launchway/shop/web:0a\n"),
        (
            "\u{feff}# shop/web\r\nfrom docker.io/shop/web:latest as x\r\n",
            "\u{feff}# shop/web\r\nfrom launchway/shop/web:0a as x\r\n",
        ),
        (
            "ARG B=shop/web\nFROM --platform=linux/amd64 \\\n  # a comment\n  \"${B}\" AS web\nCOPY . .",
            "ARG B=shop/web\nFROM --platform=linux/amd64 \\\n  # a comment\n  launchway/shop/web:0a AS web\nCOPY . .",
        ),
        ("FROM shop/web AS shop/web\n", "FROM launchway/shop/web:0a AS shop/web\n"),
        (
            "FROM a\nCOPY --chown=1:1 --from=shop/web shop/web --from=shop/web\n",
            "FROM a\nCOPY --chown=1:1 --from=launchway/shop/web:0a shop/web --from=shop/web\n",
        ),
        (
            "FROM a\nRUN --mount=type=bind,from=shop/web,target=/x --mount=from=b,target=/y ls shop/web\n",
            "FROM a\nRUN --mount=type=bind,from=launchway/shop/web:0a,target=/x --mount=from=b,target=/y ls shop/web\n",
        ),
        (
            "FROM a\nRUN --mount=\"from=shop/web\",target=/x true\n",
            "FROM a\nRUN --mount=from=launchway/shop/web:0a,target=/x true\n",
        ),
        // A stage of the name goes before the image, from where it ends.
        (
            "FROM shop/web AS a\nFROM b AS web\nCOPY --from=a / /\nCOPY --from=web / /\n",
            "FROM launchway/shop/web:0a AS a\nFROM b AS web\nCOPY --from=a / /\nCOPY --from=web / /\n",
        ),
        ("FROM shop/webs\nRUN echo FROM shop/web\n", "FROM shop/webs\nRUN echo FROM shop/web\n"),
        ("FROM a\nRUN <<EOF\nFROM shop/webs\nEOF\n", "FROM a\nRUN <<EOF\nFROM shop/webs\nEOF\n"),
        // What is only carried out where somebody builds on it is named there.
        ("FROM a\nONBUILD COPY --from=shop/web / /\n", "FROM a\nONBUILD COPY --from=shop/web / /\n"),
        (
            "FROM shop/w\\\neb\n",
            "1: another service builds shop/web, and it cannot be put in here; write the name in one piece on the instruction's line",
        ),
        ("FLY shop/web\n", "1: unknown instruction: FLY"),
    ] {
        assert_eq!(named(text), expected, "{text}");
    }
    // A context of the name: what stands for a name is one image, in whatever way each is written.
    let names = BTreeMap::from([("base".to_string(), "launchway/shop/web:0a".to_string())]);
    assert_eq!(renamed("FROM base:latest\n", &Settings::default(), &names).unwrap(), "FROM launchway/shop/web:0a\n");
}
