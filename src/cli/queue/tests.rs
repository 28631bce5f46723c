use super::*;

fn queued(id: i64, environment: &str, priority: i8, description: &str) -> QueuedReport {
    let summary = serde_json::json!({
        "id": id, "number": id - 4, "project": "shop", "environment": environment, "state": "waiting", "ended": false,
        "description": description, "commit": "1111111111111111111111111111111111111111", "subject": "x", "ref": null,
        "trigger": "push", "asked_by": "ada", "release": null, "created_at": "2026-11-25T08:00:00Z",
        "started_at": null, "ended_at": null, "page": "http://x/", "priority": priority, "waits_for_yes": false,
    });
    serde_json::from_value(summary).unwrap()
}

#[test]
fn it_shows_what_runs_whose_turn_is_next_and_what_is_held() {
    let now = "2026-11-25T08:05:00Z".parse().unwrap();
    let queue = QueueReport {
        slots: 4,
        begun: vec![queued(7, "production", 10, "Building api (1 of 2)")],
        ready: vec![queued(9, "staging", 0, "Waiting for its turn: 4 deployments run already")],
        held: vec![queued(8, "demo", -5, "Waiting for the window Mon 09:00 Europe/Berlin")],
    };
    insta::assert_snapshot!(text(&queue, &Look::plain(), now), @"
    TURN  #  IN ITS ENVIRONMENT  PRIORITY  COMMIT        ASKED FOR  WHAT IT DOES OR WAITS FOR
    runs  7  shop/production#3   10        111111111111  5 min ago  Building api (1 of 2)
    1     9  shop/staging#5      0         111111111111  5 min ago  Waiting for its turn: 4 deployments run already
    -     8  shop/demo#4         -5        111111111111  5 min ago  Waiting for the window Mon 09:00 Europe/Berlin
    1 of 4 deployments that may run at once
    ");
    let empty = QueueReport { begun: vec![], ready: vec![], held: vec![], slots: 4 };
    assert_eq!(text(&empty, &Look::plain(), now), "Nothing runs or waits; 4 deployments may run at once\n");
}
