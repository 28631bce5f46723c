//! What lies in the data directory is for the server's user alone.

use crate::support::app::{WEB, write_quick, write_web};
use crate::support::world::{Settings, World};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Every file and folder below, with its mode.
fn all_below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(path) = left.pop() {
        // What comes and goes may have gone.
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            left.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        found.push((path, about.mode() & 0o7777));
    }
    found
}

/// Those that somebody else may do something with.
fn open_to_others(world: &World) -> Vec<String> {
    let all = all_below(&world.data());
    let open = all.into_iter().filter(|(_, mode)| mode & 0o077 != 0);
    open.map(|(path, mode)| format!("{} {mode:o}", path.display())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_what_a_deployment_or_an_earlier_version_left() {
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    write_web(&world.repository, "one");
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    let shown = world.ends(&world.push("First")).await;
    assert_eq!((shown.state.as_str(), world.get("/").await.as_deref()), ("success", Some("one")), "{shown:?}");
    let names: Vec<String> = all_below(&world.data())
        .iter()
        .map(|(path, _)| path.strip_prefix(world.data()).unwrap().display().to_string())
        .collect();
    for kind in ["launchway.db-wal", "launchway.sock", "edge/routes.json", "logs/1.log", ".pack"] {
        assert!(names.iter().any(|name| name.ends_with(kind)), "no {kind} among {names:#?}");
    }
    assert_eq!(open_to_others(&world), Vec::<String>::new());

    // As an earlier version left them.
    world.terminate().await;
    world.kill_edge();
    for (path, mode) in all_below(&world.data()) {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | 0o055)).unwrap();
    }
    assert!(!open_to_others(&world).is_empty());
    world.start_edge().await;
    world.serve().await;
    world.until_said("Files that others could read are closed to them").await;
    write_web(&world.repository, "two");
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!((shown.state.as_str(), world.get("/").await.as_deref()), ("success", Some("two")), "{shown:?}");
    let (code, _, error) = world.launchway(&["backup", world.data().join("copy.db").to_str().unwrap()]).await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(open_to_others(&world), Vec::<String>::new());
    world.end().await;
}

/// A hook may make files for others: it has the umask that the server was started with.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_makes_files_as_it_would_without_the_server() {
    let world = World::new().await;
    let hooks = world.data().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let (hook, made) = (hooks.join("deployment-succeeded"), world.folder().join("made"));
    std::fs::write(
        &hook,
        format!(
            "#!/bin/sh\n(umask; ulimit -n; grep THP_enabled /proc/self/status) > {}.new\nmv {0}.new {0}\n",
            made.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o700)).unwrap();
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let told = world.until("the hook's file", || async { std::fs::read_to_string(&made).ok() }).await;
    let own = std::process::Command::new("sh")
        .args(["-c", "umask; ulimit -n; grep THP_enabled /proc/self/status"])
        .output()
        .unwrap();
    assert_eq!(told, String::from_utf8(own.stdout).unwrap());
    world.end().await;
}
