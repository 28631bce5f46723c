//! What every story is read for (`support::texts`), where an app does all it can to have it said: its secret in every form,
//! sequences that steer a terminal, and more than a status holds.

use crate::support::images::BASE;
use crate::support::world::{Settings, World};

/// Tells the canary of the story in each form, and dies.
const SAY: &str = r#"#!/bin/sh
echo "plain: $CANARY"
for before in "" a ab; do printf '%s%s' "$before" "$CANARY" | base64; done
printf '%s' "$CANARY" | hexdump -ve '1/1 "%02X"' | sed 's/../%&/g'; echo
printf '{"key":"%s"}\n' "$(printf '%s' "$CANARY" | sed 's/"/\\"/g' | tr '\n' ' ' | sed 's/ /\\n/')"
printf 'all is well\rno \033]0;owned\007\033[2J\342\200\256live \302\2332m it\n'
sleep 0.3
printf '%s of which there is more to tell than what a forge shows of a status, so that the end of this long line, with which nobody can do anything, is left out of it\n' "$CANARY" >&2
exit 3
"#;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_app_says_of_its_secret_is_read_and_a_status_that_is_cut_says_what_is_live() {
    let settings = Settings { project: "public-logs = true".into(), ..Settings::default() };
    let world = World::with(settings).await;
    let compose = |command: &str| {
        format!(
            "services:\n  web:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: {command}\n    environment: {{ CANARY: \"${{LAUNCHWAY_TEST_CANARY}}\" }}\n    volumes: [\"./say:/say\"]\n    x-launchway: {{ stay-up: 6s }}\n"
        )
    };
    world.repository.write("say", SAY).write("compose.yaml", compose("[\"sleep\", \"600\"]"));
    assert_eq!(world.ends(&world.push("Quiet")).await.state, "success", "{}", world.deployment_logs());
    world.repository.write("compose.yaml", compose("[\"sh\", \"/say\"]"));
    let shown = world.ends(&world.push("Talks")).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    assert!(shown.description.contains("***") && shown.description.contains('…'), "{shown:?}");
    assert!(shown.description.ends_with("; release 1 is live again"), "{shown:?}");
    for command in [&["status"][..], &["logs"], &["deployments"], &["deliveries"], &["insights"], &["plan"]] {
        let (_, said, error) = world.launchway(command).await;
        assert!(!said.is_empty() || !error.is_empty(), "{command:?} says nothing");
    }
    let logs = world.deployment_logs();
    assert!(logs.contains("plain: ***"), "{logs}");
    world.end().await;
}
