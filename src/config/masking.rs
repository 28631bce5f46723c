//! What of the settings is secret, and what they say of other values.

use super::check::Check;
use super::file::OneOrMore;
use super::{Config, Environment};
use crate::model::{Hidden, MaskNames, Secret, Sieve};
use std::collections::BTreeSet;
use toml::Spanned;
use url::Url;

/// `mask` and `plain` of a project, or of an environment.
pub(super) struct FileNames<'a> {
    pub mask: Option<&'a Spanned<OneOrMore>>,
    pub plain: Option<&'a Spanned<OneOrMore>>,
}

impl Check<'_> {
    /// The names of an environment, with those of its project, over which the environment's word goes. `secrets`: the names of
    /// what is declared secret anyway.
    pub(super) fn mask_names<'s>(
        &mut self,
        of_project: &MaskNames,
        own: &FileNames<'_>,
        secrets: impl Iterator<Item = &'s String>,
        key: &dyn Fn(&str) -> String,
    ) -> MaskNames {
        let own_names = self.both(own, key);
        let start = own.plain.map_or(0, |list| list.span().start);
        for name in secrets.filter(|name| own_names.plain.contains(*name)) {
            self.wrong(
                start,
                &key("plain"),
                format!("{name} is one of the `secrets` here; take it out of one of them"),
            );
        }
        let mut names = of_project.clone();
        names.mask.retain(|name| !own_names.plain.contains(name));
        names.plain.retain(|name| !own_names.mask.contains(name));
        names.mask.extend(own_names.mask);
        names.plain.extend(own_names.plain);
        names
    }

    /// Both lists; a name cannot be in both.
    pub(super) fn both(&mut self, names: &FileNames<'_>, key: &dyn Fn(&str) -> String) -> MaskNames {
        let mask = self.name_list(names.mask, &key("mask"));
        let plain = self.name_list(names.plain, &key("plain"));
        if let Some(name) = mask.intersection(&plain).next() {
            let start = names.plain.map_or(0, |list| list.span().start);
            self.wrong(start, &key("plain"), format!("{name} is under `mask` too: it is hidden or shown, not both"));
        }
        MaskNames { mask, plain }
    }

    fn name_list(&mut self, list: Option<&Spanned<OneOrMore>>, key: &str) -> BTreeSet<String> {
        let Some(list) = list else { return BTreeSet::new() };
        let names: BTreeSet<String> = list.get_ref().list().into_iter().collect();
        // Somebody who writes NAME=value here has not understood what this is, and we do not repeat the value.
        if names.iter().any(|name| name.is_empty() || name.contains(['=', '\n'])) {
            let message =
                "it is a list of names of variables, keys and files, such as [\"API_KEY\"], without their values";
            self.wrong(list.span().start, key, message);
        }
        names
    }
}

impl Config {
    /// Every secret that the settings themselves hold, for masking.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = self.registries.all().map(|account| account.password.clone()).collect();
        if let Some(telemetry) = &self.telemetry {
            secrets.extend(telemetry.headers.iter().map(|(_, value)| value.clone()));
            secrets.extend(password(telemetry.endpoint.as_str()));
        }
        for project in self.projects.values() {
            let own = [&project.secret, &project.signing_token, &project.token, &project.credentials.token];
            secrets.extend(own.into_iter().flatten().cloned());
            secrets.extend(password(&project.repository));
            secrets.extend(project.api.as_ref().and_then(|api| password(api.as_str())));
            for environment in project.environments.values() {
                secrets.extend(environment.secrets.values().cloned());
                secrets.extend(environment.approvers.values().cloned());
            }
        }
        secrets
    }
}

impl Environment {
    /// What of its values is secret or looks so, beside what the settings declare.
    pub fn hidden(&self) -> Hidden {
        let mut sieve = Sieve::new(&self.names);
        sieve.ours(&self.compose_project);
        sieve.ours(self.name.as_str());
        sieve.values("", &self.variables);
        sieve.done()
    }
}

/// Of a URL, as it is meant.
fn password(url: &str) -> Option<Secret> {
    let url = Url::parse(url).ok()?;
    let decoded = percent_encoding::percent_decode_str(url.password()?).decode_utf8_lossy();
    Some(Secret::new(decoded))
}
