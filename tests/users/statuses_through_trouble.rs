//! What every forge's client does when the forge or the network has trouble.

use crate::support::forge::{FakeForge, Fault, TOKEN};
use crate::support::statuses::{CONTEXT, clients, commit, impatient, patient, status};
use launchway::model::{ForgeKind, Mask, PostError, StatusState};
use std::time::{Duration, Instant};

const WITH_AN_API: [ForgeKind; 4] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea, ForgeKind::Forgejo];

#[tokio::test]
async fn trouble_that_passes_is_worth_another_try_and_then_it_works() {
    for kind in WITH_AN_API {
        for fault in [
            Fault::status(500),
            Fault::status(502),
            Fault::status(503),
            Fault::status(408),
            Fault::retry_after(429, 9),
            Fault::retry_after(503, 9),
            Fault::Close,
            Fault::Hang,
        ] {
            let forge = FakeForge::start(kind).await;
            let commit = commit('a');
            forge.knows(&commit);
            let client = impatient(&forge.target());
            let pending = status(&commit, StatusState::Pending, "waiting");
            forge.answer_next(fault.clone());
            let began = Instant::now();
            let error = client.post(&pending).await.unwrap_err();
            let PostError::Retry { after, why } = &error else { panic!("{kind} {fault:?}: {error:?}") };
            let asked = matches!(&fault, Fault::Answer { headers, .. } if !headers.is_empty());
            assert_eq!(*after, asked.then_some(Duration::from_secs(9)), "{kind} {fault:?}");
            assert!(!why.contains(TOKEN), "{why}");
            assert!(began.elapsed() < Duration::from_secs(10), "{kind} {fault:?}");

            assert_eq!(forge.kept(&commit, CONTEXT), []);
            patient(&forge.target()).post(&pending).await.unwrap();
            assert_eq!(forge.kept(&commit, CONTEXT).len(), 1, "{kind} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_worth_another_try() {
    for kind in WITH_AN_API {
        let mut target = FakeForge::start(kind).await.target();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        target.api = Some(format!("http://{free}/api").parse().unwrap());
        let error = impatient(&target).post(&status(&commit('a'), StatusState::Success, "ok")).await.unwrap_err();
        let PostError::Retry { after: None, why } = &error else { panic!("{error:?}") };
        let why = Mask::default().sentence(why);
        assert!(why.contains("could not be reached (Connection refused"), "{why}");
    }
}

#[tokio::test]
async fn what_answers_but_is_no_api_is_named() {
    for kind in WITH_AN_API {
        let forge = FakeForge::start(kind).await;
        let commit = commit('a');
        forge.knows(&commit);
        forge.answer_next(Fault::status(200));
        let error = patient(&forge.target()).post(&status(&commit, StatusState::Pending, "ok")).await.unwrap_err();
        let PostError::Denied { why } = &error else { panic!("{error:?}") };
        assert!(why.contains("check `api` in launchway.toml"), "{why}");
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_does_not_spread_it() {
    let forge = FakeForge::start(ForgeKind::GitHub).await;
    let body = serde_json::json!({ "message": format!("token {TOKEN} is on a list") });
    forge.answer_next(Fault::Answer { status: 403, headers: Vec::new(), body });
    let error = patient(&forge.target()).post(&status(&commit('a'), StatusState::Success, "ok")).await.unwrap_err();
    assert!(error.why().contains("token *** is on a list"), "{error}");
}

#[tokio::test]
async fn a_repository_name_that_is_none_is_refused_at_once() {
    let clients = clients(Duration::from_secs(1));
    for kind in WITH_AN_API {
        for name in ["", "shop", "octo/", "octo/..", "octo/a\nb", "../x"] {
            let mut target = FakeForge::start(kind).await.target();
            target.repository = name.into();
            let accepted = clients.client(&target).is_ok();
            // On GitLab a single part is the project's number.
            assert_eq!(accepted, kind == ForgeKind::GitLab && name == "shop", "{kind} {name:?}");
        }
    }
}

#[tokio::test]
async fn what_is_shown_is_read_back_and_what_came_later_is_not_taken_for_it() {
    for kind in WITH_AN_API {
        let forge = FakeForge::start(kind).await;
        let commit = commit('a');
        forge.knows(&commit);
        let client = patient(&forge.target());
        let (pending, last) =
            (status(&commit, StatusState::Pending, "building"), status(&commit, StatusState::Success, "live"));
        assert_eq!(client.shows(&last).await, Ok(false), "{kind}: nothing was said");
        client.post(&pending).await.unwrap();
        assert_eq!((client.shows(&pending).await, client.shows(&last).await), (Ok(true), Ok(false)), "{kind}");
        client.post(&last).await.unwrap();
        let mut staging = status(&commit, StatusState::Failure, "no");
        staging.context = "launchway/staging".into();
        client.post(&staging).await.unwrap();
        assert_eq!((client.shows(&last).await, client.shows(&staging).await), (Ok(true), Ok(true)), "{kind}");
        // What somebody set by hand meanwhile, and a final of another deployment.
        let mut other = status(&commit, StatusState::Success, "live");
        other.target_url = Some("http://deploy.example.com/d/other".into());
        for later in [pending, other] {
            client.post(&later).await.unwrap();
            assert_eq!(client.shows(&last).await, Ok(false), "{kind} {later:?}");
            client.post(&last).await.unwrap();
            assert_eq!(client.shows(&last).await, Ok(true), "{kind} {later:?}");
        }
    }
}

#[tokio::test]
async fn only_a_request_that_left_and_got_no_answer_may_arrive_later() {
    for kind in WITH_AN_API {
        for (fault, may_arrive) in [
            (Fault::Close, true),
            (Fault::Hang, true),
            (Fault::status(504), true),
            (Fault::status(500), false),
            (Fault::retry_after(429, 1), false),
            (Fault::status(401), false),
        ] {
            let forge = FakeForge::start(kind).await;
            let commit = commit('a');
            forge.knows(&commit);
            forge.answer_next(fault.clone());
            let failed =
                impatient(&forge.target()).send(&status(&commit, StatusState::Pending, "ok")).await.unwrap_err();
            assert_eq!(failed.may_arrive, may_arrive, "{kind} {fault:?}: {failed:?}");
        }
        let mut target = FakeForge::start(kind).await.target();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        target.api = Some(format!("http://{free}/api").parse().unwrap());
        let failed = impatient(&target).send(&status(&commit('a'), StatusState::Success, "ok")).await.unwrap_err();
        assert!(!failed.may_arrive, "{kind}: nothing left: {failed:?}");
    }
}
