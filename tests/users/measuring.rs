//! What containers use is measured while they run, and learned.

use crate::support::app::{ready_made_web, serve};
use crate::support::images::BASE;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_uses_is_noted_with_its_memory() {
    let mut world = World::new().await;
    // A buffer of twenty megabytes, for as long as nobody reads from the pipe.
    let holds = "dd if=/dev/zero bs=20M count=1 | (sleep 1000; cat)";
    world.repository.write(
        "compose.yaml",
        format!(
            "services:{}  eater:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [\"sh\", \"-c\", \"{holds}\"]\n    deploy: {{ resources: {{ limits: {{ memory: 200M }} }} }}\n",
            ready_made_web(&serve("one")),
        ),
    );
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    // The first look comes soon after a start; the next ones every minute.
    world.terminate().await;
    world.serve().await;
    let sql = "SELECT component, memory_max_bytes BETWEEN 20000000 AND 60000000, samples > 0 FROM usage \
               WHERE memory_max_bytes > 0 ORDER BY component";
    world.until_store_says(sql, "eater|1|1\nweb|0|1").await;
    world.end().await;
}
