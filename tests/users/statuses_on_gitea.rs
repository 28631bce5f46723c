//! Statuses on Gitea and Forgejo.

use crate::support::forge::{FakeForge, Fault};
use crate::support::statuses::{CONTEXT, commit, patient, status};
use launchway::model::{ForgeKind, PostError, Secret, StatusState};

#[tokio::test]
async fn each_state_arrives_as_gitea_calls_it() {
    for kind in [ForgeKind::Gitea, ForgeKind::Forgejo] {
        let forge = FakeForge::start(kind).await;
        let commit = commit('a');
        forge.knows(&commit);
        let client = patient(&forge.target());
        for state in [
            StatusState::Pending,
            StatusState::Success,
            StatusState::Failure,
            StatusState::Error,
            StatusState::Cancelled,
        ] {
            client.post(&status(&commit, state, "words")).await.unwrap();
        }
        let states: Vec<String> = forge.kept(&commit, CONTEXT).into_iter().map(|kept| kept.state).collect();
        assert_eq!(states, ["pending", "success", "failure", "error", "warning"]);
    }
}

#[tokio::test]
async fn an_unknown_commit_is_told_from_a_passing_500() {
    let forge = FakeForge::start(ForgeKind::Gitea).await;
    let known = commit('a');
    forge.knows(&known);
    let client = patient(&forge.target());

    let error = client.post(&status(&commit('b'), StatusState::Success, "ok")).await.unwrap_err();
    let PostError::Refused { why } = error else { panic!("{error:?}") };
    insta::assert_snapshot!(why, @"Gitea does not know commit bbbbbbbbbbbb in octo/shop: it was replaced by a force push, or never pushed there");

    forge.answer_next(Fault::status(500));
    let error = client.post(&status(&known, StatusState::Success, "ok")).await.unwrap_err();
    assert!(matches!(error, PostError::Retry { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_token_hides_the_repository_and_the_status_waits() {
    let forge = FakeForge::start(ForgeKind::Forgejo).await;
    let commit = commit('a');
    forge.knows(&commit);
    let mut target = forge.target();
    target.token = Some(Secret::new("tok-of-last-year"));
    let error = patient(&target).post(&status(&commit, StatusState::Success, "ok")).await.unwrap_err();
    let PostError::Denied { why } = error else { panic!("{error:?}") };
    insta::assert_snapshot!(launchway::model::plain(&why), @r#"Forgejo does not find the repository (404 Not Found, "Not Found"): it was renamed or deleted, or the token may not see it. Check `repository`. The token needs `write:repository`, and its user the right to write to the repository"#);

    forge.take_scope_away();
    let error = patient(&forge.target()).post(&status(&commit, StatusState::Success, "ok")).await.unwrap_err();
    assert!(matches!(error, PostError::Denied { .. }), "{error:?}");
}
