//! Repositories without a Compose file.

use super::*;
use insta::assert_snapshot;

fn project_of(files: &[(&str, &str)]) -> (String, Option<crate::model::BuildSpec>) {
    let (tree, project) = (MemoryTree::new(files.iter().copied()), shop());
    match read(&request(&tree, &project)) {
        Ok(reading) => {
            assert_eq!(reading.stack.components.len(), 1);
            let component = reading.stack.components.values().next().unwrap().clone();
            assert_eq!(component.name.as_str(), "shop");
            assert_eq!(reading.stack.networks["default"].name, "shop-production_default");
            (show(&reading.problems), component.build)
        }
        Err(problems) => (show(&problems), None),
    }
}

#[test]
fn a_dockerfile_is_one_component_named_after_the_project() {
    let (text, build) = project_of(&[("Dockerfile", "FROM x\nEXPOSE 80\n"), ("package.json", "{}")]);
    assert_snapshot!(text, @"note: Dockerfile:1: there is no Compose file, so this Dockerfile is component shop; its ports are not published until a Compose file says so");
    let build = build.unwrap();
    assert_eq!((build.dockerfile.as_str(), build.dockerfile_inline), ("Dockerfile", None));
}

#[test]
fn a_dockerfile_in_lower_case_is_found_where_there_is_no_other() {
    let (text, build) = project_of(&[("dockerfile", "FROM x\n"), ("package.json", "{}")]);
    assert!(
        text.starts_with("note: dockerfile:1: there is no Compose file, so this Dockerfile is component shop"),
        "{text}"
    );
    assert_eq!(build.unwrap().dockerfile.as_str(), "dockerfile");

    let dockerfile = |compose: &str, files: &[(&str, &str)]| match read_one(compose, files) {
        Ok(stack) => stack.components["web"].build.clone().unwrap().dockerfile.to_string(),
        Err(problems) => problems,
    };
    let (plain, named) = (
        "services: { web: { build: ./web } }\n",
        "services: { web: { build: { context: ./web, dockerfile: NAME } } }\n",
    );
    let lower = [("web/dockerfile", "FROM x\n")];
    assert_eq!(dockerfile(plain, &lower), "web/dockerfile");
    assert_eq!(dockerfile(&named.replace("NAME", "./Dockerfile"), &lower), "web/dockerfile");
    assert_eq!(dockerfile(plain, &[("web/dockerfile", ""), ("web/Dockerfile", "")]), "web/Dockerfile");
    let other = dockerfile(&named.replace("NAME", "Web.Dockerfile"), &[("web/web.dockerfile", "")]);
    assert_eq!(
        other,
        "compose.yaml:1: services.web.build.dockerfile: there is no Dockerfile web/Web.Dockerfile in the commit"
    );
}

#[test]
fn a_template_fits_what_is_there() {
    let kinds = [
        ("package.json", "FROM node"),
        ("pyproject.toml", "FROM python"),
        ("requirements.txt", "FROM python"),
        ("go.mod", "FROM golang"),
        ("Cargo.toml", "FROM rust"),
        ("pom.xml", "FROM maven"),
        ("index.html", "FROM nginx"),
    ];
    for (file, from) in kinds {
        let (text, build) = project_of(&[(file, ""), ("src/x", "")]);
        let template = build.and_then(|build| build.dockerfile_inline).unwrap_or_else(|| panic!("{file}: {text}"));
        assert!(template.lines().find(|line| !line.starts_with('#')).unwrap().starts_with(from), "{file}");
    }
    assert_snapshot!(project_of(&[("go.mod", ""), ("index.html", "")]).0, @"note: go.mod:1: there is no Compose file and no Dockerfile, so component shop is built by the template for go, because go.mod is there");
}

#[test]
fn nothing_at_all_says_what_was_looked_for() {
    assert_snapshot!(project_of(&[("README.md", "")]).0, @"nothing in the repository says how it is deployed; looked for compose.yaml, compose.yml, docker-compose.yaml, docker-compose.yml, Dockerfile, package.json, pyproject.toml, requirements.txt, go.mod, Cargo.toml, pom.xml, index.html; `path` and `compose` in launchway.toml name another place");
}
