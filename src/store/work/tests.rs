use super::*;
use crate::model::{CommitId, WorkDetail, WorkKind, WorkOutcome};
use crate::store::{NewDeployment, Sentences, Trigger};

async fn deployment(store: &Store, environment: &str, page_key: &str) -> DeploymentId {
    let new = NewDeployment {
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new(environment).unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        subject: String::new(),
        reference: None,
        trigger: Trigger::Push,
        asked_by: String::new(),
        delivery: None,
        release: None,
        page_key: page_key.into(),
        rebuild: false,
        pull: false,
        now_reason: None,
        fresh_volumes: Vec::new(),
    };
    store.add_deployment(new, Sentences::default(), 1).await.unwrap().0.id
}

fn built(deployment: DeploymentId, started_ms: i64) -> Work {
    Work {
        deployment,
        component: ComponentName::new("api").ok(),
        kind: WorkKind::Build,
        subject: "shop-api:1".into(),
        started_ms,
        ended_ms: started_ms + 500,
        outcome: WorkOutcome::Done,
        detail: WorkDetail {
            disk_bytes: Some(7),
            steps: Some(4),
            cached: Some(1),
            context_bytes: Some(9),
            invalidated_at: Some("RUN make".into()),
        },
    }
}

#[tokio::test]
async fn work_is_read_back_as_it_was_noted_and_in_the_order_in_which_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let id = deployment(&store, "production", "k1").await;
    let fetched = Work { component: None, kind: WorkKind::Fetch, detail: WorkDetail::default(), ..built(id, 5) };
    store.note_work(vec![built(id, 10), fetched.clone()]).await.unwrap();
    assert_eq!(store.work_of(id).await.unwrap(), [fetched, built(id, 10)]);
    assert_eq!(store.work_of(DeploymentId(99)).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn a_batch_with_work_of_a_deployment_that_is_not_there_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let id = deployment(&store, "production", "k1").await;
    let error = store.note_work(vec![built(id, 1), built(DeploymentId(99), 2)]).await.unwrap_err();
    assert!(error.to_string().contains("note work"), "{error}");
    assert_eq!(store.work_of(id).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn the_history_is_that_of_the_newest_deployments_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut ids = Vec::new();
    for (number, environment) in ["production", "staging", "production", "production"].iter().enumerate() {
        let id = deployment(&store, environment, &format!("k{number}")).await;
        store.note_work(vec![built(id, 1), built(id, 2)]).await.unwrap();
        ids.push(id);
    }
    let (shop, production) = (ProjectName::new("shop").unwrap(), EnvironmentName::new("production").unwrap());
    let history = store.work_history(&shop, &production, 2).await.unwrap();
    let of: Vec<(DeploymentId, i64)> = history.iter().map(|work| (work.deployment, work.started_ms)).collect();
    assert_eq!(of, [(ids[3], 1), (ids[3], 2), (ids[2], 1), (ids[2], 2)]);
    let all = store.work_history_of_all(3).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.iter().any(|work| work.deployment == ids[1]), "{all:?}");
    store.close().await;
}

/// Every history is read by an index: none reads all rows, however many there are.
#[tokio::test]
async fn no_history_reads_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let histories = [
        "SELECT * FROM work WHERE deployment = 1 ORDER BY started_at, rowid",
        "SELECT w.* FROM work w WHERE w.deployment IN (
            SELECT id FROM deployments WHERE project = 'a' AND environment = 'b' ORDER BY id DESC LIMIT 20)",
        "SELECT w.* FROM work w WHERE w.deployment IN (SELECT id FROM deployments ORDER BY id DESC LIMIT 20)",
    ];
    for sql in histories {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .fetch_all(&store.readers)
                .await
                .unwrap();
        let lines: Vec<&str> = plan.iter().map(|line| line.3.as_str()).collect();
        assert!(lines.iter().any(|line| line.contains("USING INDEX work_by_deployment")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("SCAN w") || *line == "SCAN work"), "{lines:?}");
    }
    store.close().await;
}
