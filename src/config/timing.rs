//! `windows`, `freeze`, `approval`, `approvers` and `priority` of an environment.

use super::check::Check;
use super::value::Source;
use crate::model::{EnvironmentName, Freeze, Secret, Window, WrongTiming, overlaps};
use std::collections::BTreeMap;
use toml::Spanned;

/// A code that is shorter can be guessed.
const SHORTEST_CODE: usize = 12;

/// Names of environments that go before others where nothing else is said, and how far.
const PRODUCTION: [&str; 3] = ["production", "prod", "live"];
const PRODUCTION_PRIORITY: i8 = 10;

impl Check<'_> {
    pub(super) fn windows(&mut self, written: &[Spanned<Window>], key: &str) -> Vec<Window> {
        for (number, window) in written.iter().enumerate() {
            if let Err(wrong) = window.get_ref().read() {
                self.timing(window.span().start, &format!("{key}[{number}]"), wrong);
            }
        }
        let set: Vec<Window> = written.iter().map(|window| window.get_ref().clone()).collect();
        for (first, second) in overlaps(&set) {
            let (window, other) = (set[second].sentence(), set[first].sentence());
            let message = format!("{window} overlaps {other}; write one window, so that it is clear what is meant");
            self.wrong(written[second].span().start, &format!("{key}[{second}]"), message);
        }
        set
    }

    pub(super) fn freezes(&mut self, written: &[Spanned<Freeze>], key: &str) -> Vec<Freeze> {
        for (number, freeze) in written.iter().enumerate() {
            if let Err(wrong) = freeze.get_ref().read() {
                self.timing(freeze.span().start, &format!("{key}[{number}]"), wrong);
            }
        }
        written.iter().map(|freeze| freeze.get_ref().clone()).collect()
    }

    fn timing(&mut self, at: usize, key: &str, wrong: Vec<WrongTiming>) {
        for (part, message) in wrong {
            self.wrong(at, &format!("{key}.{part}"), message);
        }
    }

    pub(super) fn approvers(
        &mut self,
        written: &BTreeMap<String, Spanned<Source>>,
        key: &str,
    ) -> BTreeMap<String, Secret> {
        let mut approvers = BTreeMap::<String, Secret>::new();
        for (name, source) in written {
            let (at, key) = (source.span().start, format!("{key}.{name}"));
            let Some(code) = self.secret(Some(source), &key) else { continue };
            if code.expose().len() < SHORTEST_CODE {
                let message =
                    format!("a code has at least {SHORTEST_CODE} characters (make one with `openssl rand -hex 12`)");
                self.wrong(at, &key, message);
            } else if let Some((other, _)) = approvers.iter().find(|(_, other)| other.expose() == code.expose()) {
                self.wrong(at, &key, format!("it is the code of {other} too, so nobody could tell them apart"));
            } else {
                approvers.insert(name.clone(), code);
            }
        }
        approvers
    }

    pub(super) fn priority(&mut self, written: Option<&Spanned<i64>>, name: &EnvironmentName, key: &str) -> i8 {
        let usual = if PRODUCTION.contains(&name.as_str()) { PRODUCTION_PRIORITY } else { 0 };
        let Some(written) = written else { return usual };
        match i8::try_from(*written.get_ref()) {
            Ok(priority @ -100..=100) => priority,
            _ => {
                self.wrong(written.span().start, key, format!("{} is not from -100 to 100", written.get_ref()));
                usual
            }
        }
    }
}
