use super::*;
use std::sync::Mutex;
use std::time::Instant;

/// A hook with this text, in a folder of its own.
fn hook(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deployment-started");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, path)
}

/// How a run of it ended, and what was told.
async fn run(text: &str, limit: Duration, stop: &CancellationToken) -> (HookEnd, Vec<String>) {
    let (_folder, path) = hook(text);
    let told: Mutex<Vec<String>> = Mutex::default();
    let variables = vec![("PATH", "/usr/bin:/bin".to_string()), ("LAUNCHWAY_STATE", "failed".to_string())];
    let run = HookRun { path, variables, input: b"{}".to_vec(), limit };
    let ended = run.carry_out(stop, &Mask::default(), &|line: &str| told.lock().unwrap().push(line.to_string())).await;
    (ended, told.into_inner().unwrap())
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_gets_the_event_and_little_else_and_its_lines_are_told() {
    // A name that no shell sets by itself shows what comes from the server.
    let (ended, told) =
        run("cat; echo; env | grep -c CARGO; echo $LAUNCHWAY_STATE; printf end", LONG, &Default::default()).await;
    assert!(matches!(ended, HookEnd::Exited(status) if status.success()));
    assert_eq!(told, ["{}", "0", "failed", "end"]);
}

#[tokio::test]
async fn one_that_does_not_read_its_input_is_no_problem() {
    let (ended, told) = run("exec 0<&-; exit 3", LONG, &Default::default()).await;
    assert!(matches!(ended, HookEnd::Exited(status) if status.code() == Some(3)));
    assert!(told.is_empty());
}

#[tokio::test]
async fn at_the_limit_it_is_killed_with_what_it_started() {
    let begun = Instant::now();
    let (ended, told) = run("sleep 100 & echo $!; wait", Duration::from_millis(500), &Default::default()).await;
    assert!(matches!(ended, HookEnd::TooLong) && begun.elapsed() < Duration::from_secs(10));
    until_gone(&told[0]).await;
}

#[tokio::test]
async fn what_it_leaves_behind_with_its_output_is_killed_at_the_limit() {
    let (ended, told) = run("sleep 100 & echo $!", Duration::from_millis(500), &Default::default()).await;
    assert!(matches!(ended, HookEnd::TooLong));
    until_gone(&told[0]).await;
}

async fn until_gone(pid: &str) {
    let status = PathBuf::from(format!("/proc/{pid}/stat"));
    let deadline = Instant::now() + Duration::from_secs(10);
    // A zombie waits only for whoever has adopted it.
    while std::fs::read_to_string(&status).is_ok_and(|text| !text.contains(") Z ")) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn endless_output_is_read_and_cut() {
    let (ended, told) = run("yes | head -c 3000000; head -c 10000 /dev/zero", LONG, &Default::default()).await;
    assert!(matches!(ended, HookEnd::Exited(status) if status.success()));
    assert_eq!(told.last().unwrap(), "(what it says from here on is not kept)");
    assert!(told.len() < 200_000, "{}", told.len());
}

#[tokio::test]
async fn a_file_that_cannot_run_or_that_everybody_may_change_is_refused() {
    let (folder, path) = hook("true");
    let why = |path: &Path| match fitness(path) {
        Fitness::Unfit(why) => why,
        Fitness::Fit => "fit".into(),
        Fitness::Absent => "absent".into(),
    };
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(why(&path), "fit");
    assert_eq!(why(&folder.path().join("deployment-failed")), "absent");
    assert_eq!(why(folder.path()), "it is not a file");
    mode(&path, 0o644);
    assert_eq!(why(&path), "it is not executable (`chmod +x deployment-started` in the folder of hooks)");
    mode(&path, 0o757);
    assert_eq!(why(&path), "everybody may change it (`chmod o-w deployment-started` in the folder of hooks)");
    mode(&path, 0o755);
    mode(folder.path(), 0o777);
    assert_eq!(why(&path), "everybody may change the folder of hooks (`chmod o-w .` in it)");
}
