//! A build cannot take from the apps what they need.

use crate::support::app::{WEB, write_web};
use crate::support::images::BASE;
use crate::support::world::{Settings, World};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Takes the limit off the engine's own group again, which all that build on this machine share.
struct Unlimited;

impl Drop for Unlimited {
    fn drop(&mut self) {
        let group = Path::new("/sys/fs/cgroup/memory/docker/buildkit");
        for file in ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"] {
            let _ = std::fs::write(group.join(file), "-1");
        }
    }
}

/// Whether this process may write control groups; else it says that the story was skipped.
fn may_limit() -> bool {
    let folder = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(Path::new).into_iter().find(|folder| folder.is_dir());
    let may = folder.is_some_and(|folder| {
        let probe = folder.join(format!("launchway-probe-{}", std::process::id()));
        let made = std::fs::create_dir(&probe).is_ok();
        let _ = std::fs::remove_dir(&probe);
        made
    });
    if !may {
        println!(
            "SKIPPED: control groups cannot be written here; run this story as root, with the engine on this machine"
        );
    }
    may
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_more_memory_than_it_may_fails_and_the_app_answers_every_request() {
    if !may_limit() {
        return;
    }
    let _unlimited = Unlimited;
    let world = World::with(Settings { limits: "build-memory = \"512MB\"".into(), ..Settings::default() }).await;
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    write_web(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");

    // One gigabyte at once, and no more; a build that fits goes on beside it.
    let hungry = format!("FROM {BASE}\nRUN dd if=/dev/zero of=/dev/null bs=1000M count=1 && echo {}\n", world.project);
    world.repository.write("hungry/Dockerfile", hungry);
    let eater = "  hungry: { build: ./hungry, command: [\"tail\", \"-f\", \"/dev/null\"] }\n";
    world.repository.write("compose.yaml", format!("services:{WEB}{eater}"));
    let (stop, answered, failed) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let asking = {
        let (stop, answered, failed) = (stop.clone(), answered.clone(), failed.clone());
        let url = format!("http://127.0.0.1:{}/", world.app_port);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let counted = if crate::support::world::get(&url).await.is_some() { &answered } else { &failed };
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let shown = world.ends(&world.push("Hungry")).await;
    stop.store(true, Ordering::Relaxed);
    asking.await.unwrap();
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    let expected = "hungry: the build used more than limits.build-memory = 512 MB, during [2/2] RUN dd";
    assert!(shown.description.starts_with(expected), "{}", shown.description);
    assert!(shown.description.ends_with("release 1 is still live"), "{}", shown.description);
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    assert!(answered.load(Ordering::Relaxed) > 10, "it was asked while the build ran");

    // What fits is built under the same limit.
    let modest = format!("FROM {BASE}\nRUN dd if=/dev/zero of=/dev/null bs=100M count=1 && echo {}\n", world.project);
    world.repository.write("hungry/Dockerfile", modest);
    let shown = world.ends(&world.push("Modest")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world.end().await;
}
