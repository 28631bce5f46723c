//! Links between the documents, and the book's table of contents.

use crate::markdown::{Document, documents, pages};
use crate::{nothing_is_wrong, repository};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let anchors: BTreeMap<&str, &Vec<String>> =
        documents.iter().map(|document| (document.path.as_str(), &document.anchors)).collect();
    let mut wrong = Vec::new();
    for document in &documents {
        for link in &document.links {
            if let Err(why) = follow(document, &link.target, &anchors) {
                wrong.push(format!("{}:{}: {}: {why}", document.path, link.line, link.target));
            }
        }
    }
    nothing_is_wrong(&wrong);
}

fn follow(from: &Document, target: &str, anchors: &BTreeMap<&str, &Vec<String>>) -> Result<(), String> {
    if ["http://", "https://", "mailto:"].iter().any(|start| target.starts_with(start)) {
        return Ok(());
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.path.clone() } else { beside(&from.path, file)? };
    if !repository(&path).exists() {
        return Err(format!("there is no {path}"));
    }
    // The book holds docs/ alone: in it a link that leaves the folder leads nowhere.
    if from.path.starts_with("docs/") && !path.starts_with("docs/") {
        return Err("it leads out of the book; write the file's name as code".into());
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let known = anchors.get(path.as_str()).ok_or(format!("the headings of {path} are not known"))?;
    if known.iter().any(|known| known == anchor) { Ok(()) } else { Err(format!("{path} has no heading of that name")) }
}

/// The path of `file` from the repository's root, where a document at `from` names it.
fn beside(from: &str, file: &str) -> Result<String, String> {
    let mut path = PathBuf::new();
    for part in Path::new(from).parent().unwrap_or(Path::new("")).join(file).components() {
        match part {
            Component::ParentDir if !path.pop() => return Err("it leaves the repository".into()),
            Component::ParentDir | Component::CurDir => {}
            part => path.push(part),
        }
    }
    Ok(path.display().to_string())
}

#[test]
fn the_table_of_contents_names_every_page_once() {
    let contents = Document::read("docs/SUMMARY.md");
    let mut named: Vec<String> = contents.links.iter().map(|link| format!("docs/{}", link.target)).collect();
    named.sort();
    let pages: Vec<String> = pages().into_iter().filter(|page| page != "docs/SUMMARY.md").collect();
    assert_eq!(named, pages, "docs/SUMMARY.md names each page of docs/ once");
}
