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
    paragraphs: &'static [&'static str],
}

fn plain(title: &'static str, mood: &'static str, paragraphs: &'static [&'static str]) -> Html<String> {
    let page = PlainPage { style: look::STYLE, mood, refresh: false, title, paragraphs };
    // The template holds nothing that could fail; the title alone would still be an answer.
    Html(page.render().unwrap_or_else(|_| title.to_string()))
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
