//! Statuses on GitHub, against a forge that refuses what GitHub's published description refuses.

use crate::support::forge::{FakeForge, Fault, Kept, TOKEN};
use crate::support::statuses::{CONTEXT, commit, patient, status};
use launchway::model::{ForgeKind, PostError, Secret, StatusState};
use std::time::Duration;

#[tokio::test]
async fn each_state_arrives_as_github_calls_it() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    for state in [
        StatusState::Pending,
        StatusState::Success,
        StatusState::Failure,
        StatusState::Error,
        StatusState::Cancelled,
        StatusState::Pending,
    ] {
        client.post(&status(&commit, state, state.word())).await.unwrap();
    }
    let states: Vec<String> = forge.kept(&commit, CONTEXT).into_iter().map(|kept| kept.state).collect();
    assert_eq!(states, ["pending", "success", "failure", "error", "error", "pending"]);
    assert_eq!(
        forge.kept(&commit, CONTEXT)[1],
        Kept {
            sha: commit.to_string(),
            context: CONTEXT.into(),
            state: "success".into(),
            description: "success".into(),
            target_url: Some("http://deploy.example.com/d/7f3a".into()),
        }
    );
    assert!(client.describe().starts_with("statuses of GitHub's octo/shop at 127.0.0.1:"), "{}", client.describe());
}

#[tokio::test]
async fn a_description_is_cut_at_140_characters_not_bytes_and_never_refused() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    for text in ["ü".repeat(140), "ü".repeat(141), "🐛".repeat(200), "two\nlines".into(), String::new()] {
        client.post(&status(&commit, StatusState::Failure, &text)).await.unwrap();
    }
    let kept: Vec<String> = forge.kept(&commit, CONTEXT).into_iter().map(|kept| kept.description).collect();
    assert_eq!(kept[0], "ü".repeat(140));
    assert_eq!(kept[1], format!("{}…", "ü".repeat(139)));
    assert_eq!(kept[2].chars().count(), 140);
    assert_eq!(kept[3..], ["two lines", ""]);
}

#[tokio::test]
async fn the_longest_context_that_names_allow_arrives_whole() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let mut long = status(&commit, StatusState::Success, "ok");
    long.context = format!("launchway/{} ({})", "e".repeat(63), "p".repeat(63));
    patient(&forge.target()).post(&long).await.unwrap();
    assert_eq!(forge.kept(&commit, &long.context).len(), 1);
}

#[tokio::test]
async fn an_unknown_commit_is_refused_for_good() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let error = patient(&forge.target()).post(&status(&commit('b'), StatusState::Success, "ok")).await.unwrap_err();
    let PostError::Refused { why } = error else { panic!("{error:?}") };
    insta::assert_snapshot!(launchway::model::plain(&why), @r#"GitHub does not know commit bbbbbbbbbbbb in octo/shop ("No commit found for SHA: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"): it was replaced by a force push, or never pushed there"#);
}

#[tokio::test]
async fn after_a_thousand_statuses_the_next_is_refused_for_good() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    client.post(&status(&commit, StatusState::Pending, "building")).await.unwrap();
    forge.was_told(999, &forge.kept(&commit, CONTEXT)[0]);
    let error = client.post(&status(&commit, StatusState::Success, "live")).await.unwrap_err();
    let PostError::Refused { why } = error else { panic!("{error:?}") };
    insta::assert_snapshot!(why, @r#"GitHub takes no more statuses "launchway/production" for commit aaaaaaaaaaaa: 1,000 were sent. The next commit gets statuses again"#);
}

#[tokio::test]
async fn a_status_waits_while_the_token_is_wrong_or_lacks_its_right() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let success = status(&commit, StatusState::Success, "ok");
    let mut whys = Vec::new();

    let mut target = forge.target();
    for token in [Some("tok-of-last-year"), Some("two\nlines"), None] {
        target.token = token.map(Secret::new);
        whys.push(patient(&target).post(&success).await.unwrap_err());
    }
    target = forge.target();
    target.repository = "octo/renamed".into();
    whys.push(patient(&target).post(&success).await.unwrap_err());
    forge.take_scope_away();
    whys.push(patient(&forge.target()).post(&success).await.unwrap_err());

    for error in &whys {
        assert!(matches!(error, PostError::Denied { .. }), "{error:?}");
        assert!(!error.why().contains("tok-of-last-year") && !error.why().contains(TOKEN), "{error}");
    }
    let whys: Vec<String> = whys.iter().map(|error| hide_port(error.why())).collect();
    insta::assert_snapshot!(whys.join("\n"), @r#"
    GitHub does not accept the token (401 Unauthorized, "Bad credentials"): it expired or was revoked. A fine-grained token needs "Commit statuses: write" for the repository, a classic one `repo:status`
    the token for 127.0.0.1:PORT holds characters that no token has: set it again
    no token is set for 127.0.0.1:PORT: set `token` of this project in launchway.toml
    GitHub does not find the repository (404 Not Found, "Not Found"): it was renamed or deleted, or the token may not see it. Check `repository`. A fine-grained token needs "Commit statuses: write" for the repository, a classic one `repo:status`
    GitHub forbids it (403 Forbidden, "Resource not accessible by personal access token"). A fine-grained token needs "Commit statuses: write" for the repository, a classic one `repo:status`
    "#);
    assert_eq!(forge.kept(&commit, CONTEXT), []);
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_and_not_taken_for_a_missing_right() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    let success = status(&commit, StatusState::Success, "ok");
    let in_ten_minutes = jiff::Timestamp::now().as_second() + 600;
    for (fault, least, most) in [
        (Fault::retry_after(403, 17), 17, 17),
        (Fault::retry_after(429, 23), 23, 23),
        (Fault::used_up_until(in_ten_minutes), 595, 602),
        (Fault::secondary_limit(), 60, 60),
        (Fault::status(429), 60, 60),
    ] {
        forge.answer_next(fault.clone());
        let error = client.post(&success).await.unwrap_err();
        let PostError::Retry { after: Some(after), why } = error else { panic!("{fault:?}: {error:?}") };
        assert!((least..=most).contains(&after.as_secs()), "{fault:?}: {after:?}");
        assert!(why.starts_with("GitHub's rate limit is reached"), "{why}");
    }
    client.post(&success).await.unwrap();
}

#[tokio::test]
async fn a_renamed_repository_is_found_by_its_redirect_but_no_other_host_gets_the_token() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    let success = status(&commit, StatusState::Success, "ok");

    forge.answer_next(Fault::redirect(307, format!("{}/repos/octo/shop/statuses/{commit}", forge.api())));
    client.post(&success).await.unwrap();
    assert_eq!(forge.kept(&commit, CONTEXT).len(), 1);

    let other = FakeForge::start(ForgeKind::GitHub).await;
    forge.answer_next(Fault::redirect(307, format!("{}/repos/octo/shop/statuses/{commit}", other.api())));
    let error = client.post(&success).await.unwrap_err();
    assert!(matches!(error, PostError::Denied { .. }), "{error:?}");
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn bursts_stay_below_githubs_limit_and_finals_go_first() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let commit = commit('a');
    forge.knows(&commit);
    let client = patient(&forge.target());
    let mut waited = None;
    for number in 0..100 {
        match client.post(&status(&commit, StatusState::Pending, &format!("building {number}"))).await {
            Ok(()) => {}
            Err(PostError::Retry { after: Some(after), .. }) => {
                waited = Some(after);
                break;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(waited.is_some_and(|after| after <= Duration::from_secs(2)), "{waited:?}");
    client.post(&status(&commit, StatusState::Success, "live")).await.unwrap();
    assert_eq!(forge.kept(&commit, CONTEXT).last().unwrap().state, "success");
}

fn hide_port(text: &str) -> String {
    let text = launchway::model::plain(text);
    let parts: Vec<&str> = text.split("127.0.0.1:").collect();
    let rest = parts[1..].iter().map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts[..1].iter().copied().chain(rest).collect::<Vec<_>>().join("127.0.0.1:PORT")
}
