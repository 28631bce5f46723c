//! `healthcheck:`.

use crate::compose::view::View;
use crate::compose::yaml::Value;
use crate::model::{HealthCheck, HealthTest, Quoted};
use std::time::Duration;

/// A check takes no less of the engine when it is due more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

pub fn read(view: &View<'_>) -> Option<HealthCheck> {
    if !view.only(&["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"]) {
        return None;
    }
    let disabled = view.get("disable").and_then(|v| v.bool()).unwrap_or(false);
    let test = match view.get("test") {
        _ if disabled => HealthTest::Disabled,
        Some(test) => self::test(&test)?,
        None => HealthTest::Inherit,
    };
    let duration = |key: &str| view.get(key).and_then(|v| v.duration());
    // 0 is the engine's own.
    let interval = |key: &str| {
        let interval = duration(key)?;
        if interval < SHORTEST_INTERVAL && !interval.is_zero() {
            let at = view.get(key)?;
            at.error("must be 100ms or more: it is the engine that starts each check, on the whole host's account");
        }
        Some(interval)
    };
    Some(HealthCheck {
        test,
        interval: interval("interval"),
        timeout: duration("timeout"),
        start_period: duration("start_period"),
        start_interval: interval("start_interval"),
        retries: view.get("retries").and_then(|v| v.number("a whole number")),
    })
}

fn test(view: &View<'_>) -> Option<HealthTest> {
    if !matches!(view.node.value, Value::List(_)) {
        return view.text().map(HealthTest::Shell);
    }
    let words = view.texts();
    match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("NONE", _)) => Some(HealthTest::Disabled),
        Some(("CMD-SHELL", [command])) => Some(HealthTest::Shell(command.clone())),
        Some(("CMD", [_, ..])) => Some(HealthTest::Exec(words[1..].to_vec())),
        Some(("CMD-SHELL", rest)) => {
            view.error(format!("CMD-SHELL takes one text, not {}", rest.len()));
            None
        }
        Some(("CMD", [])) => {
            view.error("CMD needs the command's words after it");
            None
        }
        Some((first, _)) => {
            view.error(format!("must begin with \"CMD\", \"CMD-SHELL\" or \"NONE\", not {:?}", Quoted(first)));
            None
        }
        None => Some(HealthTest::Inherit),
    }
}
