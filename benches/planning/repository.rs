//! Large repositories, written by `git fast-import`, and fetched into a mirror as Launchway does it.

use launchway::model::{CommitId, GitCredentials, ProjectName, RefName};
use launchway::source::{FetchRequest, Mirrors, Patience, Remote, RemoteUrl, WantedRefs};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy)]
pub struct Shape {
    /// In all, besides the Compose file.
    pub files: usize,
    pub components: usize,
    /// Commits before the first push.
    pub history: usize,
    pub pushes: usize,
    /// One more component is built from the whole repository, so that every push changes it.
    pub whole: bool,
    /// Each component waits for the one before it, instead of for one at half its number.
    pub chain: bool,
}

pub struct Sources {
    pub project: ProjectName,
    pub branch: RefName,
    pub mirrors: Mirrors,
    pub mirrors_folder: PathBuf,
    /// The mirror's own folder.
    pub mirror: PathBuf,
    /// What is live at first, and then the pushes.
    pub commits: Vec<CommitId>,
}

impl Sources {
    pub async fn make(shape: Shape, folder: &Path) -> Self {
        let bare = folder.join("large.git");
        let status = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare).status();
        assert!(status.expect("git").success());
        import(shape, &bare);
        let mirrors_folder = folder.join("mirrors");
        let mirrors = Mirrors::new(mirrors_folder.clone(), env!("CARGO_BIN_EXE_launchway").into());
        let (project, branch) = (ProjectName::new("large").unwrap(), RefName::new("refs/heads/main").unwrap());
        let url = RemoteUrl::parse(&bare.display().to_string(), false).unwrap();
        let request = FetchRequest {
            project: project.clone(),
            remote: Remote { url, credentials: GitCredentials::default() },
            refs: WantedRefs::Exactly(vec![branch.clone()]),
            patience: Patience::new(CancellationToken::new(), Duration::from_secs(300)),
            progress: None,
        };
        mirrors.fetch(request).await.expect("the large repository is fetched");
        let count = (shape.pushes + 1).to_string();
        let output =
            Command::new("git").arg("-C").arg(&bare).args(["rev-list", "--reverse", "-n", &count, "main"]).output();
        let text = String::from_utf8(output.expect("git").stdout).unwrap();
        let commits = text.lines().map(|line| CommitId::new(line).unwrap()).collect();
        let mirror = mirrors.path(&project);
        Self { project, branch, mirrors, mirrors_folder, mirror, commits }
    }
}

fn import(shape: Shape, bare: &Path) {
    let mut process = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(bare)
        .stdin(Stdio::piped())
        .spawn()
        .expect("git fast-import");
    let mut out = BufWriter::new(process.stdin.take().expect("its input"));
    write(shape, &mut out).expect("git fast-import takes everything");
    drop(out);
    assert!(process.wait().expect("git fast-import ends").success());
}

fn write(shape: Shape, out: &mut impl Write) -> std::io::Result<()> {
    let mut time = 1_700_000_000;
    let mut commit = |out: &mut dyn Write, message: &str| {
        time += 60;
        let author = format!("committer Ada <ada@example.com> {time} +0000");
        writeln!(out, "commit refs/heads/main\n{author}\ndata {}\n{message}", message.len())
    };
    let file = |out: &mut dyn Write, path: &str, text: &str| {
        writeln!(out, "M 100644 inline {path}\ndata {}\n{text}", text.len())
    };
    commit(out, "Everything")?;
    file(out, "compose.yaml", &compose_file(shape))?;
    file(out, ".dockerignore", "**/*.md\n.git\n")?;
    file(out, "Dockerfile", "FROM x\nCOPY . /\n")?;
    let each = shape.files / shape.components;
    for component in 0..shape.components {
        let folder = folder(component);
        file(out, &format!("{folder}/Dockerfile"), &format!("FROM x\nCOPY . /{component}\n"))?;
        file(out, &format!("{folder}/.dockerignore"), "**/*.md\n!README.md\n**/test\n")?;
        for number in 0..each - 2 {
            let text = format!("{component} {number}\n");
            file(out, &format!("{folder}/src/part{}/f{number}.go", number % 20), &text)?;
        }
    }
    let mut touch = |out: &mut dyn Write, number: usize, what: &str| {
        commit(out, &format!("{what} {number}"))?;
        let path = format!("{}/src/part0/f0.go", folder(number * 7 % shape.components));
        file(out, &path, &format!("{what} {number}\n"))
    };
    for number in 0..shape.history {
        touch(out, number, "history")?;
    }
    for number in 0..shape.pushes {
        touch(out, number, "push")?;
    }
    Ok(())
}

fn folder(component: usize) -> String {
    format!("services/team{}/c{component}", component % 10)
}

fn compose_file(shape: Shape) -> String {
    let mut text = String::from("services:\n");
    for component in 0..shape.components {
        let folder = folder(component);
        text.push_str(&format!(
            r#"  c{component}:
    build: {{ context: ./{folder}, args: {{ NUMBER: "{component}" }} }}
    environment: {{ NUMBER: "{component}", LOG_LEVEL: "${{LOG_LEVEL:-info}}", PEER: "http://c{}:8080" }}
    healthcheck: {{ test: ["CMD", "/app", "healthcheck"], interval: 2s, timeout: 1s, retries: 5 }}
    restart: unless-stopped
    volumes: ["data{component}:/data"]
    deploy: {{ resources: {{ limits: {{ cpus: "0.5", memory: 256M }} }} }}
"#,
            component / 2,
        ));
        if component > 0 {
            let before = if shape.chain { component - 1 } else { component / 2 };
            text.push_str(&format!("    depends_on: {{ c{before}: {{ condition: service_healthy }} }}\n"));
        }
    }
    if shape.whole {
        text.push_str("  everything:\n    build: .\n    environment: { LOG_LEVEL: \"${LOG_LEVEL:-info}\" }\n");
    }
    text.push_str("volumes:\n");
    for component in 0..shape.components {
        text.push_str(&format!("  data{component}: {{}}\n"));
    }
    text
}
