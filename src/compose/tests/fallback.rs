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
