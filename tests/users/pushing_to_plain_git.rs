//! `git push` to a bare repository with `hooks/post-receive`, which tells the real receiver.

use crate::support::git_repository::{GitRepository, git};
use crate::support::receiver::{Mood, Receiver, SECRET};
use launchway::model::{EventKind, ForgeKind};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Server {
    repository: GitRepository,
    /// What the hook finds in its PATH, where that is narrowed.
    path: Option<PathBuf>,
}

impl Server {
    /// A repository whose hook posts to that URL.
    fn new(url: &str) -> Self {
        Self::of(GitRepository::new(), url)
    }

    fn of(repository: GitRepository, url: &str) -> Self {
        let secret = repository.root().join("secret");
        std::fs::write(&secret, format!("{SECRET}\r\n")).unwrap();
        let server = Self { repository, path: None };
        server.config("launchway.url", url);
        server.config("launchway.secret-file", secret.to_str().unwrap());
        server.install("/bin/sh");
        server
    }

    fn config(&self, key: &str, value: &str) {
        git(&self.repository.bare(), &["config", key, value]);
    }

    fn install(&self, shell: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/post-receive");
        let text = std::fs::read_to_string(source).unwrap();
        let hook = self.repository.bare().join("hooks/post-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, text.replacen("#!/bin/sh", &format!("#!{shell}"), 1)).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder with these programs only, for the hook to find.
    fn only(&mut self, programs: &[&str]) {
        let folder = self.repository.root().join("programs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for program in programs {
            let found = if *program == "python3" { real_python() } else { which(program) };
            symlink(found.unwrap(), folder.join(program)).unwrap();
        }
        self.path = Some(folder);
    }

    /// Pushes, and returns what the hook printed; the push itself must succeed.
    async fn push(&self, refspecs: &[&str]) -> String {
        let mut command = tokio::process::Command::new("git");
        command
            .current_dir(self.repository.work())
            .args(["push", "-q", "--force", "origin"])
            .args(refspecs)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("REMOTE_USER", "ada")
            .stdin(Stdio::null());
        if let Some(path) = &self.path {
            // git finds its own parts by itself.
            command.env("PATH", path);
        }
        let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let lines = said.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim_end);
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The interpreter itself: what the PATH has may be a script that needs the rest of the PATH.
fn real_python() -> Option<PathBuf> {
    let told = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(told.stdout).ok()?.trim()))
}

/// What the hook needs whatever it posts and hashes with.
const BASICS: [&str; 14] =
    ["git", "sh", "env", "od", "sed", "tr", "awk", "cat", "date", "id", "mktemp", "rm", "head", "tail"];

/// The kinds, refs and commits that the receiver was told.
fn told(receiver: &Receiver) -> Vec<(&'static str, String, String)> {
    let mut told: Vec<_> = receiver
        .received()
        .into_iter()
        .map(|delivery| {
            let event = delivery.event.unwrap();
            assert_eq!(delivery.forge, ForgeKind::Plain);
            assert_eq!(event.sender.as_deref(), Some("ada"));
            let word = event.kind.word();
            match event.kind {
                EventKind::Push(change) | EventKind::Tag(change) => {
                    (word, change.reference.to_string(), change.commit.to_string())
                }
                EventKind::Delete { reference, before } => (word, reference.to_string(), before.unwrap().to_string()),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_push_is_told_and_the_pusher_reads_the_answer() {
    let receiver = Receiver::start().await;
    let server = Server::new(&receiver.url("plain"));
    let first = server.repository.write("a", "1").commit("first").to_string();
    let said = server.push(&["HEAD:refs/heads/main"]).await;
    let delivery = receiver.received()[0].clone();
    assert_eq!(
        said,
        format!("launchway: will deploy {}\nlaunchway: http://launchway.test/deliveries/{}", &first[..12], delivery.id)
    );
    let folder = server.repository.root().file_name().unwrap().to_str().unwrap().to_string();
    assert_eq!(delivery.event.unwrap().repository.unwrap().full_name, format!("{folder}/shop"));
    let second = server.repository.write("a", "2").commit("second").to_string();
    server.config("launchway.repository", "team/\"shop\"\\");
    server.push(&["HEAD:refs/heads/main"]).await;
    let event = receiver.received()[1].event.clone().unwrap();
    assert_eq!(event.repository.unwrap().full_name, "team/\"shop\"\\");
    let change = event.kind.change().unwrap();
    assert_eq!((change.before.as_ref().unwrap().as_str(), change.after.as_str()), (first.as_str(), second.as_str()));
}

#[tokio::test]
async fn several_refs_tags_deletes_and_notes_in_one_push() {
    let receiver = Receiver::start().await;
    let server = Server::new(&receiver.url("plain"));
    let commit = server.repository.write("a", "1").commit("first").to_string();
    server.repository.git(&["tag", "-a", "-m", "annotated", "v1"]);
    server.repository.git(&["tag", "light"]);
    server.repository.git(&["notes", "--ref", "launchway", "add", "-m", "note"]);
    server.push(&["HEAD:refs/heads/main", "HEAD:refs/heads/old", "v1", "light", "refs/notes/launchway"]).await;
    let expected =
        [("push", "refs/heads/main"), ("push", "refs/heads/old"), ("tag", "refs/tags/light"), ("tag", "refs/tags/v1")];
    assert_eq!(told(&receiver), expected.map(|(word, name)| (word, name.to_string(), commit.clone())));
    let object = server.repository.git(&["rev-parse", "v1"]);
    assert_ne!(object, commit);
    let received = receiver.received();
    let changes = received.iter().filter_map(|delivery| delivery.event.as_ref().unwrap().kind.change());
    let tag = changes.filter(|change| change.reference.as_str() == "refs/tags/v1").collect::<Vec<_>>();
    assert_eq!(tag[0].after.as_str(), object);

    let said = server.push(&[":refs/heads/old", ":light"]).await;
    assert!(said.contains("launchway: old is gone"), "{said}");
    assert_eq!(told(&receiver)[0], ("delete", "refs/heads/old".into(), commit.clone()));
    assert_eq!(told(&receiver)[1], ("delete", "refs/tags/light".into(), commit));
}

#[tokio::test]
async fn refs_with_odd_characters_arrive_as_they_are_and_nothing_of_them_is_run() {
    let receiver = Receiver::start().await;
    for shell in ["sh", "bash", "busybox sh"] {
        let (program, rest) = shell.split_once(' ').map_or((shell, ""), |(program, rest)| (program, rest));
        let Some(program) = which(program) else { continue };
        let server = Server::new(&receiver.url("plain"));
        server.install(format!("{} {rest}", program.display()).trim_end());
        let commit = server.repository.write("a", "1").commit("first").to_string();
        let odd = [
            "refs/heads/$(touch${IFS}owned)",
            "refs/heads/`touch-owned`",
            "refs/heads/a;touch${IFS}owned",
            "refs/heads/\"quoted\",\"after\"",
            "refs/heads/it's",
            "refs/heads/--upload-pack=x",
            "refs/heads/%s%n%d",
            "refs/heads/gr\u{fc}n/\u{1f680}",
            "refs/heads/$HOME&|<>#!",
            "refs/tags/-n",
        ];
        let refspecs: Vec<String> = odd.iter().map(|name| format!("HEAD:{name}")).collect();
        let said = server.push(&refspecs.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut expected: Vec<_> = odd
            .iter()
            .map(|name| (if name.contains("tags") { "tag" } else { "push" }, name.to_string(), commit.clone()))
            .collect();
        expected.sort();
        assert_eq!(told(&receiver), expected, "{shell}: {said}");
        assert!(!server.repository.bare().join("owned").exists());
        receiver.intake.received.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_refusal_is_told_to_the_pusher_and_the_push_stands() {
    let receiver = Receiver::start().await;
    let server = Server::new(&receiver.url("plain"));
    let commit = server.repository.write("a", "1").commit("first");
    std::fs::write(server.repository.root().join("secret"), "another").unwrap();
    insta::assert_snapshot!(server.push(&["HEAD:refs/heads/main"]).await, @"launchway: refs/heads/main was refused (401): no project of this name, or the delivery's signature is missing or wrong: compare the secret on both sides");
    assert_eq!(git(&server.repository.bare(), &["rev-parse", "main"]), commit.as_str());
    assert!(receiver.received().is_empty());
    std::fs::write(server.repository.root().join("secret"), SECRET).unwrap();
    receiver.set_mood(Mood::Fails);
    insta::assert_snapshot!(server.push(&["HEAD:refs/heads/second"]).await, @"launchway: refs/heads/second was refused (503): the delivery could not be stored: send it again");
}

#[tokio::test]
async fn where_launchway_is_away_or_silent_the_push_succeeds_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::new(&format!("http://{address}/hooks/plain"));
    server.config("launchway.timeout", "1");
    server.repository.write("a", "1").commit("first");
    for tool in ["curl", "python3", "wget"].into_iter().filter(|tool| which(tool).is_some()) {
        server.only(&[&BASICS[..], &["sha256sum", "timeout", tool]].concat());
        let start = Instant::now();
        let refspecs: Vec<String> = (0..20).map(|number| format!("HEAD:refs/heads/{tool}-{number}")).collect();
        let said = server.push(&refspecs.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(said.starts_with(&format!("launchway: not told of refs/heads/{tool}-0: ")), "{said}");
        assert!(said.ends_with("Launchway finds it by itself"), "{said}");
        assert!(start.elapsed() < Duration::from_secs(15), "{tool}: {:?}", start.elapsed());
    }
    drop(listener);
    let said = server.push(&["HEAD:refs/heads/away"]).await;
    assert!(said.starts_with("launchway: not told of refs/heads/away: "), "{said}");
}

#[tokio::test]
async fn a_hook_that_is_not_set_up_says_what_is_missing() {
    let receiver = Receiver::start().await;
    let server = Server::new(&receiver.url("plain"));
    server.repository.write("a", "1").commit("first");
    let mut said = Vec::new();
    std::fs::write(server.repository.root().join("secret"), "\n").unwrap();
    said.push(server.push(&["HEAD:refs/heads/a"]).await);
    server.config("launchway.secret-file", "/nothing/here");
    said.push(server.push(&["HEAD:refs/heads/b"]).await);
    server.config("launchway.url", "--upload-file=/etc/passwd");
    said.push(server.push(&["HEAD:refs/heads/c"]).await);
    git(&server.repository.bare(), &["config", "--unset", "launchway.url"]);
    said.push(server.push(&["HEAD:refs/heads/d"]).await);
    let said = said.join("\n").replace(server.repository.root().to_str().unwrap(), "ROOT");
    insta::assert_snapshot!(said, @r"
    launchway: not told: the secret file ROOT/secret cannot be read, or is empty
    launchway: not told: the secret file /nothing/here cannot be read, or is empty
    launchway: not told: launchway.url is not an http or https URL
    launchway: not told: set launchway.url and launchway.secret-file with git config, see hooks/post-receive
    ");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn it_works_with_whichever_programs_are_there() {
    let receiver = Receiver::start().await;
    let mut server = Server::new(&receiver.url("plain"));
    server.repository.write("a", "1").commit("first");
    for (number, (hash, post)) in
        [("sha256sum", "curl"), ("openssl", "curl"), ("shasum", "python3"), ("sha256sum", "wget")].iter().enumerate()
    {
        if which(hash).is_none() || which(post).is_none() {
            continue;
        }
        let mut programs = [&BASICS[..], &[*hash, *post]].concat();
        // It is a script.
        programs.extend(["perl", "bash", "dirname", "basename"].iter().filter(|program| which(program).is_some()));
        server.only(&programs);
        let said = server.push(&[&format!("HEAD:refs/heads/n{number}")]).await;
        assert!(said.starts_with("launchway: will deploy "), "{hash}, {post}: {said}");
    }
    server.only(&[&BASICS[..], &["sha256sum"]].concat());
    let said = server.push(&["HEAD:refs/heads/none"]).await;
    assert!(said.contains("neither curl nor python3 nor wget is installed"), "{said}");
    server.only(&[&BASICS[..], &["curl"]].concat());
    let said = server.push(&["HEAD:refs/heads/none2"]).await;
    assert!(said.contains("neither sha256sum nor openssl nor shasum is installed"), "{said}");
}

#[tokio::test]
async fn the_secret_is_in_no_programs_arguments_or_environment() {
    let receiver = Receiver::start().await;
    let mut server = Server::new(&receiver.url("plain"));
    server.repository.write("a", "1").commit("first");
    // Each program notes how it was called, then does its work.
    let (folder, log) = (server.repository.root().join("noting"), server.repository.root().join("log"));
    std::fs::create_dir_all(&folder).unwrap();
    for program in BASICS.iter().chain(&["sha256sum", "curl"]) {
        let real = which(program).unwrap();
        let (printf, env) = ("printf '%s\\n' \"$0 $*\"", which("env").unwrap());
        let text = format!(
            "#!/bin/sh\n{{ {printf}; {}; }} >> '{}'\nexec '{}' \"$@\"\n",
            env.display(),
            log.display(),
            real.display()
        );
        let path = folder.join(program);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    server.path = Some(folder);
    let said = server.push(&["HEAD:refs/heads/main"]).await;
    assert!(said.starts_with("launchway: will deploy "), "{said}");
    let noted = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    assert!(noted.contains("sha256sum") && noted.contains("X-Hub-Signature-256"), "nothing was noted: {noted}");
    let octal: String = SECRET.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    for form in [SECRET.to_string(), hex::encode(SECRET), octal] {
        assert!(!noted.contains(&form), "{form} is in {noted}");
    }
}

#[tokio::test]
async fn a_repository_with_sha256_objects_is_told_too() {
    let receiver = Receiver::start().await;
    let server = Server::of(GitRepository::with_format("sha256"), &receiver.url("plain"));
    let commit = server.repository.write("a", "1").commit("first").to_string();
    assert_eq!(commit.len(), 64);
    server.push(&["HEAD:refs/heads/side"]).await;
    assert_eq!(told(&receiver), [("push", "refs/heads/side".to_string(), commit.clone())]);
    server.push(&[":refs/heads/side"]).await;
    assert_eq!(told(&receiver)[0], ("delete", "refs/heads/side".to_string(), commit));
}
