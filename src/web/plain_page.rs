//! Pages without data: the front door, and what is shown where there is nothing.

use super::look;
use askama::Template;
use axum::response::Html;

#[derive(Template)]
#[template(path = "pages/plain.html")]
struct PlainPage {
    style: &'static str,
    mood: &'static str,
    refresh: bool,
    title: &'static str,
    paragraphs: Vec<String>,
    /// Where to go on, and its words.
    back: Option<(String, &'static str)>,
}

fn plain(title: &'static str, mood: &'static str, paragraphs: &'static [&'static str]) -> Html<String> {
    let paragraphs = paragraphs.iter().map(ToString::to_string).collect();
    shown(PlainPage { style: look::STYLE, mood, refresh: false, title, paragraphs, back: None })
}

fn shown(page: PlainPage) -> Html<String> {
    // The template holds nothing that could fail; the title alone would still be an answer.
    Html(page.render().unwrap_or_else(|_| page.title.to_string()))
}

pub async fn home() -> Html<String> {
    plain(
        "Launchway is here",
        "good",
        &[
            "It deploys what is pushed to its projects.",
            "Forges send their webhooks to this address. Each deployment has a page of its own: the link is beside its \
             commit, in the commit's status.",
        ],
    )
}

pub fn not_found() -> Html<String> {
    plain(
        "There is no such page",
        "idle",
        &[
            "A deployment's page has an address that nobody can guess; perhaps a part of it was lost on the way here.",
            "The link is beside the commit, in the commit's status; on the server, `launchway status` prints it.",
        ],
    )
}

pub fn failed() -> Html<String> {
    plain("This page could not be made", "bad", &["Launchway's own log says why. Try again in a moment."])
}

/// Why what the form of a deployment's page asked for was not done.
pub fn refused(why: &str, page_key: &str) -> Html<String> {
    let back = Some((format!("/deployments/{page_key}"), "Back to the deployment"));
    let paragraphs = vec![format!("Nothing was changed: {why}.")];
    shown(PlainPage { style: look::STYLE, mood: "bad", refresh: false, title: "That was not done", paragraphs, back })
}
