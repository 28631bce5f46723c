//! What the engine may fetch for a build, as BuildKit's source policy: it sees what an `ONBUILD` instruction of a base image
//! or a frontend asks for, too. Engines older than Docker 24 do not know it, and take no notice.
//!
//! Source: `sourcepolicy/engine.go` of BuildKit: of the rules that match, the last one counts.

use crate::model::{full_image_name, image_repository};
use bollard::grpc::export::moby::buildkit::v1::sourcepolicy::{MatchType, Policy, PolicyAction, Rule, Selector};

/// What may be fetched beside images of registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Hosts (`example.com`, `example.com:8443`) for http, https and git.
    pub hosts: Vec<String>,
    /// Images of Launchway's own names: no others of these.
    pub images: Vec<String>,
}

pub(super) fn policy(sources: &Sources) -> Policy {
    let mut rules = vec![
        rule(PolicyAction::Deny, ".*".into()),
        rule(PolicyAction::Allow, "^local://".into()),
        rule(PolicyAction::Allow, "^docker-image://".into()),
        rule(PolicyAction::Deny, r"^docker-image://docker\.io/launchway/".into()),
    ];
    for image in &sources.images {
        let full = literal(&full_image_name(image));
        // BuildKit puts the digest behind, and may leave the tag out then.
        let repository = literal(&image_repository(image));
        let digest = "@sha256:[0-9a-f]+";
        rules.push(rule(PolicyAction::Allow, format!("^docker-image://({full}|{full}{digest}|{repository}{digest})$")));
    }
    for host in &sources.hosts {
        let host = literal(host);
        rules.push(rule(PolicyAction::Allow, format!("^https?://{host}(/.*)?$")));
        rules.push(rule(PolicyAction::Allow, format!("^(git|ssh)://(git@)?{host}[/:].*$")));
    }
    Policy { version: 1, rules }
}

fn rule(action: PolicyAction, pattern: String) -> Rule {
    let selector = Selector { identifier: pattern, match_type: MatchType::Regex.into(), constraints: Vec::new() };
    Rule { action: action.into(), selector: Some(selector), updates: None }
}

/// A text as a pattern that matches nothing else.
fn literal(text: &str) -> String {
    text.chars().flat_map(|c| (!c.is_ascii_alphanumeric()).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_exactly_and_launchways_own_images_by_name() {
        let sources = Sources { hosts: vec!["a.example:8443".into()], images: vec!["launchway/shop/api:0a".into()] };
        let told: Vec<String> = policy(&sources)
            .rules
            .iter()
            .map(|rule| format!("{:?} {}", rule.action(), rule.selector.as_ref().unwrap().identifier))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        Deny .*
        Allow ^local://
        Allow ^docker-image://
        Deny ^docker-image://docker\.io/launchway/
        Allow ^docker-image://(docker\.io\/launchway\/shop\/api\:0a|docker\.io\/launchway\/shop\/api\:0a@sha256:[0-9a-f]+|docker\.io\/launchway\/shop\/api@sha256:[0-9a-f]+)$
        Allow ^https?://a\.example\:8443(/.*)?$
        Allow ^(git|ssh)://(git@)?a\.example\:8443[/:].*$
        ");
    }
}
