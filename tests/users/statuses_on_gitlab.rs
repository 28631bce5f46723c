//! Statuses on GitLab, whose statuses are jobs of pipelines that move only forwards.

use crate::support::forge::{FakeForge, Fault};
use crate::support::statuses::{CONTEXT, commit, impatient, patient, status};
use launchway::model::{CommitId, ForgeKind, PostError, Secret, StatusState};

async fn forge() -> (FakeForge, CommitId) {
    let forge = FakeForge::start(ForgeKind::GitLab).await;
    let commit = commit('a');
    forge.knows(&commit);
    (forge, commit)
}

/// `state description` of what people see of the commit, one for each pipeline.
fn shown(forge: &FakeForge, commit: &CommitId) -> Vec<String> {
    forge
        .shown(commit)
        .into_iter()
        .filter(|row| row.name == CONTEXT)
        .map(|row| format!("{} {}", row.status, row.description))
        .collect()
}

#[tokio::test]
async fn a_deployment_is_pending_then_running_then_done_with_the_words_that_gitlab_keeps() {
    let (forge, commit) = forge().await;
    let client = patient(&forge.target());
    let mut seen = Vec::new();
    for (state, text) in [
        (StatusState::Pending, "waiting"),
        (StatusState::Pending, "waiting"),
        (StatusState::Pending, "building 1 of 2"),
        (StatusState::Pending, "building 2 of 2"),
        (StatusState::Success, "release 1 is live"),
    ] {
        client.post(&status(&commit, state, text)).await.unwrap();
        seen.push(shown(&forge, &commit).join(", "));
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    pending waiting
    pending waiting
    running building 1 of 2
    running building 1 of 2
    success release 1 is live
    ");
}

#[tokio::test]
async fn each_final_state_arrives_as_gitlab_calls_it_with_or_without_a_pending_before() {
    for pending_first in [true, false] {
        for (state, word) in [
            (StatusState::Success, "success"),
            (StatusState::Failure, "failed"),
            (StatusState::Error, "failed"),
            (StatusState::Cancelled, "canceled"),
        ] {
            let (forge, commit) = forge().await;
            let client = patient(&forge.target());
            if pending_first {
                client.post(&status(&commit, StatusState::Pending, "waiting")).await.unwrap();
            }
            client.post(&status(&commit, state, "end")).await.unwrap();
            assert_eq!(shown(&forge, &commit), [format!("{word} end")]);
        }
    }
}

#[tokio::test]
async fn a_commit_that_is_deployed_again_goes_back_to_pending_and_ends_right() {
    let (forge, commit) = forge().await;
    let client = patient(&forge.target());
    for (state, text, expected) in [
        (StatusState::Success, "release 1 is live", "success release 1 is live"),
        (StatusState::Pending, "waiting", "pending waiting"),
        (StatusState::Failure, "api exited", "failed api exited"),
        (StatusState::Failure, "api exited again", "failed api exited again"),
        (StatusState::Success, "release 2 is live", "success release 2 is live"),
    ] {
        client.post(&status(&commit, state, text)).await.unwrap();
        assert_eq!(shown(&forge, &commit), [expected]);
    }
}

#[tokio::test]
async fn a_ci_pipeline_that_begins_meanwhile_leaves_nothing_pending() {
    let (forge, commit) = forge().await;
    let client = patient(&forge.target());
    client.post(&status(&commit, StatusState::Pending, "waiting")).await.unwrap();
    forge.begin_pipeline(&commit, "main");
    client.post(&status(&commit, StatusState::Pending, "building")).await.unwrap();
    assert_eq!(shown(&forge, &commit), ["pending waiting", "pending building"]);
    client.post(&status(&commit, StatusState::Success, "live")).await.unwrap();
    assert_eq!(shown(&forge, &commit), ["success live", "success live"]);
}

#[tokio::test]
async fn a_status_whose_answer_was_lost_is_sent_again_without_harm() {
    let (forge, commit) = forge().await;
    let client = patient(&forge.target());
    for (state, text) in [(StatusState::Pending, "waiting"), (StatusState::Success, "live")] {
        let status = status(&commit, state, text);
        if state.is_final() {
            // It reads back before it sends.
            forge.answer_next(Fault::Pass);
        }
        forge.answer_next(Fault::KeepThenClose);
        assert!(matches!(client.post(&status).await, Err(PostError::Retry { .. })));
        assert_eq!(shown(&forge, &commit), [format!("{} {text}", state.word())], "kept, though the answer was lost");
        client.post(&status).await.unwrap();
    }
    let kept: Vec<String> = forge.kept(&commit, CONTEXT).into_iter().map(|kept| kept.state).collect();
    assert_eq!(kept, ["pending", "success"]);
}

#[tokio::test]
async fn another_update_in_progress_is_waited_for() {
    let (forge, commit) = forge().await;
    forge.answer_next(Fault::status(409));
    let error = impatient(&forge.target()).post(&status(&commit, StatusState::Pending, "x")).await.unwrap_err();
    assert!(matches!(error, PostError::Retry { .. }), "{error:?}");
}

#[tokio::test]
async fn words_and_links_are_cut_to_what_gitlab_takes() {
    let (forge, commit) = forge().await;
    let mut long = status(&commit, StatusState::Failure, &"ü".repeat(300));
    long.target_url = Some(format!("http://deploy.example.com/{}", "x".repeat(255)));
    long.reference = Some("refs/heads/main".into());
    patient(&forge.target()).post(&long).await.unwrap();
    let kept = forge.kept(&commit, CONTEXT);
    assert_eq!(kept[0].description, format!("{}…", "ü".repeat(254)));
    assert_eq!(kept[0].target_url, None);
    assert_eq!(patient(&forge.target()).post(&long).await, Ok(()));
}

#[tokio::test]
async fn a_project_is_found_by_its_number_too() {
    let (forge, commit) = forge().await;
    let mut target = forge.target();
    target.repository = "7".into();
    patient(&target).post(&status(&commit, StatusState::Success, "live")).await.unwrap();
    assert_eq!(shown(&forge, &commit), ["success live"]);
    assert!(
        forge.requests().last().unwrap().starts_with("POST /api/v4/projects/7/statuses/"),
        "{:?}",
        forge.requests()
    );
    patient(&forge.target()).post(&status(&commit, StatusState::Success, "live")).await.unwrap();
    assert!(forge.requests().last().unwrap().contains("/projects/octo%2Fteams%2Fshop/"), "{:?}", forge.requests());
}

#[tokio::test]
async fn what_gitlab_refuses_says_what_to_do() {
    let (forge, known) = forge().await;
    let mut errors = Vec::new();
    for state in [StatusState::Pending, StatusState::Success] {
        errors.push(patient(&forge.target()).post(&status(&commit('b'), state, "x")).await.unwrap_err());
    }
    forge.add_ci_job(&known, CONTEXT);
    errors.push(patient(&forge.target()).post(&status(&known, StatusState::Pending, "x")).await.unwrap_err());
    for error in &errors {
        assert!(matches!(error, PostError::Refused { .. }), "{error:?}");
    }
    let whys = errors.iter().map(PostError::why).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(launchway::model::plain(&whys), @r#"
    GitLab does not know commit bbbbbbbbbbbb ("404 Commit Not Found"): it was replaced by a force push, or never pushed there
    GitLab does not know commit bbbbbbbbbbbb ("404 Commit Not Found"): it was replaced by a force push, or never pushed there
    GitLab does not take the status "launchway/production" ("{\"name\":[\"has already been taken\"]}"): a job of the commit's CI has that name. Rename the job, or the environment in launchway.toml
    "#);
}

#[tokio::test]
async fn a_status_waits_while_the_token_is_wrong_or_lacks_its_right() {
    let (forge, commit) = forge().await;
    let success = status(&commit, StatusState::Success, "live");
    let mut target = forge.target();
    target.token = Some(Secret::new("tok-of-last-year"));
    let mut errors = vec![patient(&target).post(&success).await.unwrap_err()];
    target = forge.target();
    target.repository = "octo/renamed".into();
    errors.push(patient(&target).post(&success).await.unwrap_err());
    forge.take_scope_away();
    errors.push(patient(&forge.target()).post(&success).await.unwrap_err());
    for error in &errors {
        assert!(matches!(error, PostError::Denied { .. }), "{error:?}");
        assert!(error.why().contains("scope `api`"), "{error}");
    }
}
