use super::*;
use crate::model::{Freeze, Mask, Window};

fn environment(text: &str) -> Environment {
    let head = "listen = \"127.0.0.1:1\"\npublic-url = \"http://127.0.0.1:1\"\n[projects.shop]\nforge = \"plain\"\n\
        repository = \"/srv/shop.git\"\nsecret = \"a long secret\"\n[projects.shop.environments.staging]\nbranch = \"main\"\n";
    let config = crate::config::parse(&format!("{head}{text}"), std::path::Path::new("/srv/launchway.toml")).unwrap();
    config.projects.values().next().unwrap().environments.values().next().unwrap().clone()
}

const PUSH: Asks<'static> = Asks { trigger: Trigger::Push, now_reason: None, approved_by: None };

fn said(environment: &Environment, live: &StrategySettings, asks: Asks<'_>, now: &str) -> Option<String> {
    holds(environment, live, asks, now.parse().unwrap())
        .map(|held| held.situation(|situation| situation.whole(&Mask::default())))
}

const HOURS: &str =
    "windows = [{ days = [\"mon-fri\"], from = \"09:00\", to = \"17:00\", timezone = \"Europe/Berlin\" }]\n";
const NIGHT: &str = "2026-11-23T03:00:00Z";

#[test]
fn rules_of_the_settings_and_of_the_live_release_both_count() {
    let (hours, open) = (environment(HOURS), environment(""));
    let nothing = StrategySettings::default();
    let frozen = StrategySettings {
        freeze: vec![Freeze {
            from: "2026-11-20".into(),
            to: "2026-11-29".into(),
            reason: Some("a fair".into()),
            timezone: None,
        }],
        ..StrategySettings::default()
    };
    assert_eq!(said(&open, &nothing, PUSH, NIGHT), None);
    assert_eq!(said(&hours, &nothing, PUSH, NIGHT).unwrap(), "Waiting for the window Mon 09:00 Europe/Berlin");
    assert_eq!(said(&open, &frozen, PUSH, NIGHT).unwrap(), "Waiting until Mon 2026-11-30 00:00 UTC: frozen for a fair");
    let both = "Waiting until Mon 2026-11-30 09:00 Europe/Berlin: frozen for a fair";
    assert_eq!(said(&hours, &frozen, PUSH, NIGHT).unwrap(), both);
}

#[test]
fn going_back_and_what_must_go_now_wait_for_none() {
    let (hours, live) = (environment(&format!("{HOURS}approval = true\n")), StrategySettings::default());
    assert_eq!(said(&hours, &live, Asks { trigger: Trigger::Rollback, ..PUSH }, NIGHT), None);
    assert_eq!(said(&hours, &live, Asks { now_reason: Some("the shop is down"), ..PUSH }, NIGHT), None);
}

#[test]
fn a_yes_is_asked_for_at_once_and_does_not_open_a_window() {
    let (hours, live) = (environment(&format!("{HOURS}approval = true\n")), StrategySettings::default());
    let first = "Waiting for somebody's yes: `launchway approve`; then for the window Mon 09:00 Europe/Berlin";
    assert_eq!(said(&hours, &live, PUSH, NIGHT).unwrap(), first);
    let yes = Asks { approved_by: Some("anna"), ..PUSH };
    assert_eq!(said(&hours, &live, yes, NIGHT).unwrap(), "Waiting for the window Mon 09:00 Europe/Berlin");
    assert_eq!(
        said(&hours, &live, PUSH, "2026-11-23T09:00:00Z").unwrap(),
        "Waiting for somebody's yes: `launchway approve`"
    );
    assert_eq!(said(&hours, &live, yes, "2026-11-23T09:00:00Z"), None);
    let asks = StrategySettings { approval: true, ..StrategySettings::default() };
    assert_eq!(said(&environment(""), &asks, PUSH, NIGHT).unwrap(), "Waiting for somebody's yes: `launchway approve`");
}

#[test]
fn a_clock_that_jumps_back_only_makes_it_wait_again() {
    let (hours, live) = (environment(HOURS), StrategySettings::default());
    assert_eq!(said(&hours, &live, PUSH, "2026-11-23T08:00:00Z"), None);
    assert_eq!(
        said(&hours, &live, PUSH, "2026-11-22T08:00:00Z").unwrap(),
        "Waiting for the window Mon 09:00 Europe/Berlin"
    );
}

#[test]
fn windows_that_never_open_together_say_so() {
    let hours = environment(HOURS);
    let window = Window { days: vec!["sat".into()], from: "09:00".into(), to: "17:00".into(), timezone: None };
    let live = StrategySettings { windows: vec![window], ..StrategySettings::default() };
    let sentence = said(&hours, &live, PUSH, NIGHT).unwrap();
    assert!(sentence.contains("no window ever opens"), "{sentence}");
    assert!(holds(&hours, &live, PUSH, NIGHT.parse().unwrap()).unwrap().until.is_none());
}
