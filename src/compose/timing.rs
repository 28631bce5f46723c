//! `windows` and `freeze` of the top level `x-launchway`.

use super::view::View;
use crate::model::{Freeze, Window, WrongTiming, overlaps};

/// A list of deploy windows, each checked; those that overlap are noted.
pub fn windows(list: &View<'_>) -> Vec<Window> {
    let items = list.items();
    let windows: Vec<(&View<'_>, Window)> = items.iter().filter_map(|view| Some((view, window(view)?))).collect();
    let set: Vec<Window> = windows.iter().map(|(_, window)| window.clone()).collect();
    for (first, second) in overlaps(&set) {
        let (view, window) = &windows[second];
        let other = set[first].sentence();
        view.note(format!("{} overlaps {other}: they count as one", window.sentence()));
    }
    set
}

/// A list of freezes, each checked.
pub fn freezes(list: &View<'_>) -> Vec<Freeze> {
    list.items().iter().filter_map(freeze).collect()
}

fn window(view: &View<'_>) -> Option<Window> {
    if !view.only(&["days", "from", "to", "timezone"]) {
        return None;
    }
    let days = match view.get("days") {
        Some(one) if one.node.text().is_some() => vec![one.text()?],
        Some(more) => more.texts(),
        None => Window::every_day(),
    };
    let (from, to) = (needed(view, "from", "a time such as \"09:00\""), needed(view, "to", "a time such as \"17:00\""));
    let timezone = view.get("timezone").and_then(|v| v.text());
    // What is missing is told already; the rest is checked all the same.
    let is_whole = from.is_some() && to.is_some();
    let (from, to) = (from.unwrap_or_else(|| "00:00".into()), to.unwrap_or_else(|| "24:00".into()));
    let window = Window { days, from, to, timezone };
    match window.read() {
        Ok(_) if !is_whole => None,
        Ok(hours) => {
            if hours.passes_midnight() {
                let what = format!("closes at {} of the day after, because that is before {}", window.to, window.from);
                view.note(what);
            }
            Some(window)
        }
        Err(wrong) => say(view, wrong),
    }
}

fn freeze(view: &View<'_>) -> Option<Freeze> {
    if !view.only(&["from", "to", "reason", "timezone"]) {
        return None;
    }
    let from = needed(view, "from", "a date such as 2026-12-20");
    let to = needed(view, "to", "the last day of it, such as 2027-01-03; one that never ends is `launchway pause`");
    let text = |key| view.get(key).and_then(|v| v.text());
    let (reason, timezone) = (text("reason"), text("timezone"));
    let freeze = Freeze { from: from?, to: to?, reason, timezone };
    match freeze.read() {
        Ok(_) => Some(freeze),
        Err(wrong) => say(view, wrong),
    }
}

fn say<T>(view: &View<'_>, wrong: Vec<WrongTiming>) -> Option<T> {
    for (key, message) in wrong {
        match view.get(key) {
            Some(at) => at.error(message),
            None => view.error(message),
        }
    }
    None
}

/// Neither a time nor a date needs quotes here, although they are no texts in YAML.
fn needed(view: &View<'_>, key: &str, what: &str) -> Option<String> {
    match view.get(key) {
        Some(value) => value.node.scalar().map(|scalar| scalar.text.clone()).or_else(|| value.text()),
        None => {
            view.error(format!("needs `{key}:`, {what}"));
            None
        }
    }
}
