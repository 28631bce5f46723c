//! The world of a story: the real `launchway serve` on a repository to push to, with the real engine.

use super::forge::{FakeForge, Kept, TOKEN};
use super::git_repository::GitRepository;
use super::images::Engine;
use super::texts::{Reader, Texts};
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptions, ListNetworksOptionsBuilder,
    ListVolumesOptions, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptions,
};
use futures_util::TryStreamExt;
use launchway::model::{CommitId, ForgeKind};
use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The secret of the project's hook.
pub const SECRET: &str = "hook-secret-4711";
/// A secret of every story's environment: of two lines, with characters that each way of writing writes otherwise.
pub const CANARY: &str = "canary+7/\"f2c9\"&=\nsecond+line/of=the&canary";
/// What a story waits for comes within this time, or not at all.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Deployments that are neither waiting nor at their end.
const UNDER_WAY: &str = "SELECT count(*) FROM deployments WHERE ended_at IS NULL AND state <> 'waiting'";

/// What is set for the story's server beyond the usual.
#[derive(Default)]
pub struct Settings {
    pub forge: Option<ForgeKind>,
    /// The repository's URL, where it is not the path of the bare repository.
    pub repository: Option<String>,
    /// The token, where it is not the one that the forge accepts.
    pub token: Option<String>,
    /// Lines before the first table, such as `engine = "..."`.
    pub top: String,
    /// Lines of `[limits]`.
    pub limits: String,
    /// Lines of the project's table.
    pub project: String,
    /// Lines of `[projects.X.environments.production]`, in place of `branch = "main"` and `bake = "0s"`.
    pub environment: Option<String>,
    /// Further tables; `PROJECT` stands for the project's name, and begins the name of any other project.
    pub tables: String,
}

pub struct World {
    /// The project's name, unique to the story.
    pub project: String,
    pub repository: GitRepository,
    pub forge: Option<FakeForge>,
    pub engine: Engine,
    pub port: u16,
    /// A free port for the story's app; `${PORT}` in its Compose file.
    pub app_port: u16,
    folder: tempfile::TempDir,
    server: Option<Child>,
    edge: Option<Child>,
    /// Reads all that people read of the story.
    pub texts: Arc<Texts>,
    /// Whether a server has run in it, and whether the story came to its [`World::end`].
    served: bool,
    ended: bool,
}

/// One line of a commit's status, whatever forge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub context: String,
    pub state: String,
    pub description: String,
}

impl World {
    /// A plain repository with the hook of this project installed, and one environment: main goes to production.
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let mut world = Self::not_serving(settings).await;
        world.serve().await;
        world
    }

    /// Everything but a running server.
    pub async fn not_serving(settings: Settings) -> Self {
        let mut random = [0u8; 4];
        getrandom::fill(&mut random).unwrap();
        let project = format!("t{}", hex::encode(random));
        let kind = settings.forge.unwrap_or(ForgeKind::Plain);
        let forge = match kind {
            ForgeKind::Plain => None,
            kind => Some(FakeForge::start(kind).await),
        };
        let (repository, folder) = (GitRepository::new(), tempfile::tempdir().unwrap());
        let world = Self {
            project,
            texts: Arc::new(Texts::new(folder.path(), &repository.work())),
            repository,
            forge,
            engine: Engine::here().await,
            port: free_port(),
            app_port: free_port(),
            folder,
            server: None,
            edge: None,
            served: false,
            ended: false,
        };
        world.configure(&settings);
        if kind == ForgeKind::Plain {
            world.install_hook();
        }
        world
    }

    /// Writes `launchway.toml`.
    pub fn configure(&self, settings: &Settings) {
        let (project, port, app_port) = (&self.project, self.port, self.app_port);
        let kind = settings.forge.unwrap_or(ForgeKind::Plain);
        let token = settings.token.as_deref().unwrap_or(TOKEN);
        let api =
            self.forge.as_ref().map(|f| format!("api = \"{}\"\ntoken = \"{token}\"", f.api())).unwrap_or_default();
        let usual = "branch = \"main\"\nbake = \"0s\"".to_string();
        let environment = with_canary(settings.environment.as_deref().unwrap_or(&usual), &settings.tables);
        let text = format!(
            r#"
listen = "127.0.0.1:{port}"
data = "data"
{top}
[limits]
{limits}
[projects.{project}]
forge = "{kind}"
repository = "{repository}"
name = "{full_name}"
secret = "{SECRET}"
{api}
{lines}
[projects.{project}.environments.production]
{environment}
[projects.{project}.environments.production.variables]
PORT = "{app_port}"
{tables}
"#,
            full_name = self.forge.as_ref().map_or("octo/shop", FakeForge::repository),
            top = settings.top,
            limits = settings.limits,
            repository = settings.repository.clone().unwrap_or(self.repository.bare().display().to_string()),
            lines = settings.project,
            tables = settings.tables.replace("PROJECT", project),
        );
        std::fs::write(self.folder.path().join("launchway.toml"), text).unwrap();
    }

    fn install_hook(&self) {
        use std::os::unix::fs::PermissionsExt;
        let bare = self.repository.bare();
        let hook = bare.join("hooks/post-receive");
        std::fs::create_dir_all(bare.join("hooks")).unwrap();
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/post-receive"), &hook).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let secret = self.folder.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let url = format!("http://127.0.0.1:{}/hooks/{}", self.port, self.project);
        for (key, value) in [("launchway.url", url.as_str()), ("launchway.secret-file", &secret.to_string_lossy())] {
            super::git::git(&bare, &["config", key, value]);
        }
    }

    /// Turns the hook off, so that a push is delivered by nobody.
    pub fn mute_hook(&self) {
        std::fs::remove_file(self.repository.bare().join("hooks/post-receive")).unwrap();
    }

    /// Lets every gated container that runs become healthy.
    pub async fn open_gates(&self) {
        let runs = |c: &ContainerSummary| c.state.is_some_and(|state| state.to_string() == "running");
        for id in self.containers().await.into_iter().filter(runs).filter_map(|container| container.id) {
            let options =
                CreateExecOptions { cmd: Some(vec!["touch".to_string(), "/open".into()]), ..Default::default() };
            // It may have been replaced in the meantime.
            let Ok(exec) = self.engine.docker.create_exec(&id, options).await else { continue };
            let options = StartExecOptions { detach: true, ..Default::default() };
            let _ = self.engine.docker.start_exec(&exec.id, Some(options)).await;
        }
    }

    /// The edge of the settings' `[edge]`, a process of its own.
    pub async fn start_edge(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("edge.log")).unwrap();
        let child = self.command().arg("edge").stderr(log).stdout(Stdio::null()).spawn();
        self.edge = Some(child.unwrap());
        let socket = self.data().join("edge.sock");
        self.until("the edge answers", || {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.ok() }
        })
        .await;
    }

    /// `kill -9`.
    pub fn kill_edge(&mut self) {
        if let Some(mut edge) = self.edge.take() {
            edge.kill().unwrap();
            edge.wait().unwrap();
        }
    }

    /// Waits until a question to the store has this answer, lines joined by a line break.
    pub async fn until_store_says(&self, sql: &str, expected: &str) {
        self.until(&format!("{sql} to be {expected:?}"), || async {
            (self.try_query(sql).ok()?.trim_end() == expected).then_some(())
        })
        .await;
    }

    /// Waits until the server's log says this.
    pub async fn until_said(&self, text: &str) {
        self.until_said_again(text, 1).await;
    }

    /// Waits until the log of a deployment says this.
    pub async fn until_log(&self, text: &str) {
        self.until(&format!("a deployment's log to say {text:?}"), || async {
            self.deployment_logs().contains(text).then_some(())
        })
        .await;
    }

    /// Waits until it has said it that often.
    pub async fn until_said_again(&self, text: &str, times: usize) {
        self.until(&format!("the log to say {text:?}"), || async {
            (self.serve_log().matches(text).count() >= times).then_some(())
        })
        .await;
    }

    /// Waits until a deployment of the commit is in one of these states (words of the store).
    pub async fn until_deployment(&self, commit: &CommitId, states: &[&str]) {
        let sql = format!("SELECT state FROM deployments WHERE commit_id = '{commit}' ORDER BY id DESC LIMIT 1");
        self.until(&format!("a deployment of {} to be {states:?}", commit.short()), || async {
            states.contains(&self.try_query(&sql).ok()?.trim_end()).then_some(())
        })
        .await;
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// For requests to the control socket, as http://launchway/...
    pub fn control(&self) -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().unix_socket(self.data().join("launchway.sock")).no_proxy().build().unwrap()
    }

    /// The folder that holds `launchway.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL at which deliveries of the project arrive.
    pub fn hook_url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/{}", self.port, self.project)
    }

    /// Starts the server and waits until it answers.
    pub async fn serve(&mut self) {
        self.serve_with(&[]).await;
    }

    /// The same with variables in its environment (failpoints).
    pub async fn serve_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = self.command();
        command.envs(variables.iter().copied());
        self.serve_by(command).await;
    }

    /// The same with so many files at first, which it may raise.
    pub async fn serve_with_files(&mut self, files: usize) {
        let server = self.command();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -Sn {files} && exec \"$@\""), "sh"]).arg(server.get_program());
        command.args(server.get_args()).current_dir(self.folder.path());
        self.serve_by(command).await;
    }

    /// The same with another program.
    pub async fn serve_as(&mut self, program: &Path) {
        self.serve_by(self.command_of(program)).await;
    }

    async fn serve_by(&mut self, mut command: Command) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("serve.log")).unwrap();
        let child = command.arg("serve").stderr(log).stdout(Stdio::null()).spawn();
        self.server = Some(child.unwrap());
        self.served = true;
        let address = format!("127.0.0.1:{}", self.port);
        self.until("the server listens", || {
            let address = address.clone();
            async move { tokio::net::TcpStream::connect(address).await.ok() }
        })
        .await;
    }

    /// The launchway command with the story's settings.
    pub fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_launchway")))
    }

    fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.folder.path().join("launchway.toml")).current_dir(self.folder.path());
        command
    }

    /// Runs a launchway command to its end: exit code, standard output, standard error.
    pub async fn launchway(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let said = [&output.stdout, &output.stderr];
        said.iter().for_each(|said| {
            self.texts.read(Reader::Administrator, &arguments.join(" "), &String::from_utf8_lossy(said));
        });
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    pub fn serve_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("a running server").id()
    }

    /// `kill -9`: no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Whether the server has ended by itself (at a failpoint).
    pub fn has_died(&mut self) -> bool {
        let died = self.server.as_mut().is_some_and(|server| server.try_wait().unwrap().is_some());
        if died {
            self.server = None;
        }
        died
    }

    /// Waits until the server has ended by itself.
    pub async fn until_died(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_died() {
            assert!(Instant::now() < deadline, "the server lives on\n{}", self.serve_log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGTERM, and wait for the end.
    pub async fn terminate(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        signal(server.id(), "TERM");
        let end = tokio::task::spawn_blocking(move || server.wait().unwrap());
        tokio::time::timeout(Duration::from_secs(20), end).await.expect("the server ends after SIGTERM").unwrap();
    }

    /// Commits and pushes; the hook tells the server.
    pub fn push(&self, message: &str) -> CommitId {
        let commit = self.repository.commit(message);
        if let Some(forge) = &self.forge {
            forge.knows(&commit);
        }
        self.repository.push("main");
        commit
    }

    /// What the commit shows now, a line for each context.
    pub fn shown(&self, commit: &CommitId) -> Vec<Shown> {
        match &self.forge {
            Some(forge) => {
                let mut newest: Vec<Shown> = Vec::new();
                for Kept { context, state, description, .. } in forge.kept_of(commit) {
                    newest.retain(|shown| shown.context != context);
                    newest.push(Shown { context, state, description });
                }
                newest
            }
            None => self.notes(commit),
        }
    }

    fn notes(&self, commit: &CommitId) -> Vec<Shown> {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.repository.bare())
            .args(["notes", "--ref=launchway", "show", commit.as_str()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(note).collect()
    }

    /// Waits for the commit's final status in production.
    pub async fn ends(&self, commit: &CommitId) -> Shown {
        self.ends_in(commit, "launchway/production").await
    }

    pub async fn ends_in(&self, commit: &CommitId, context: &str) -> Shown {
        self.ends_within(commit, context, PATIENCE).await
    }

    /// The same for what takes longer than stories usually do.
    pub async fn ends_within(&self, commit: &CommitId, context: &str, patience: Duration) -> Shown {
        self.until_within(patience, &format!("a final status of {context} on {}", commit.short()), || async {
            let shown = self.shown(commit);
            shown.into_iter().find(|s| s.context == context && !matches!(s.state.as_str(), "pending" | "running"))
        })
        .await
    }

    /// Waits for a condition; panics with the server's log when it does not come.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, condition: impl FnMut() -> F) -> T {
        self.until_within(PATIENCE, what, condition).await
    }

    async fn until_within<T, F: Future<Output = Option<T>>>(
        &self,
        patience: Duration,
        what: &str,
        mut condition: impl FnMut() -> F,
    ) -> T {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            if Instant::now() > deadline {
                let logs = self.deployment_logs();
                panic!("waited {patience:?} for {what}\n--- server\n{}\n--- deployments\n{logs}", self.serve_log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All deployments' logs, one after the other.
    pub fn deployment_logs(&self) -> String {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.data().join("logs"))
            .map(|files| files.flatten().map(|file| file.path()).collect())
            .unwrap_or_default();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// The story's containers, by name.
    pub async fn containers(&self) -> Vec<ContainerSummary> {
        let filters = HashMap::from([("label", vec![format!("launchway.project={}", self.project)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let mut found = self.engine.docker.list_containers(Some(options)).await.unwrap();
        found.sort_by_key(|container| container.names.clone());
        found
    }

    /// Component -> container id, of what runs, fronts apart.
    pub async fn running(&self) -> HashMap<String, String> {
        let containers = self.containers().await.into_iter();
        // An empty one takes back what an image says.
        let is_replica =
            |labels: &HashMap<String, String>| labels.get("launchway.role").is_none_or(|role| role.is_empty());
        containers
            .filter(|c| c.labels.as_ref().is_some_and(is_replica))
            .filter(|c| c.state.is_some_and(|state| state.to_string() == "running"))
            .filter_map(|c| Some((c.labels?.get("launchway.component")?.clone(), c.id?)))
            .collect()
    }

    /// What a command says in the only running container of a component.
    pub async fn exec(&self, component: &str, command: &[&str]) -> String {
        let running = self.running().await;
        let docker = &self.engine.docker;
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..Default::default()
        };
        let id = docker.create_exec(&running[component], options).await.unwrap().id;
        let StartExecResults::Attached { output, .. } = docker.start_exec(&id, None).await.unwrap() else { panic!() };
        let lines: Vec<_> = output.try_collect().await.unwrap();
        lines.iter().map(ToString::to_string).collect::<String>().trim().to_string()
    }

    /// The names of what the environment has on the engine, sorted: containers with their states, networks, volumes.
    pub async fn on_the_engine(&self) -> Vec<String> {
        let (project, docker) = (&self.project, &self.engine.docker);
        let mut found = Vec::new();
        for container in self.containers().await {
            let names = container.names.unwrap_or_default().join(" ").replace('/', "");
            let state = container.state.map(|state| state.to_string()).unwrap_or_default();
            found.push(format!("container {names} {state}"));
        }
        let filters = HashMap::from([("label", vec![format!("launchway.project={project}")])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        for network in docker.list_networks(Some(options)).await.unwrap() {
            found.push(format!("network {}", network.name.unwrap_or_default()));
        }
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        for volume in docker.list_volumes(Some(options)).await.unwrap().volumes.unwrap_or_default() {
            found.push(format!("volume {}", volume.name));
        }
        found.sort();
        found.iter().map(|line| line.replace(&format!("{project}-production"), "app")).collect()
    }

    /// The app's answer at a path; `None` when it does not answer.
    pub async fn get(&self, path: &str) -> Option<String> {
        get(&format!("http://127.0.0.1:{}{path}", self.app_port)).await
    }

    /// Ends the story: everything was reported, nothing is left that the live release does not own.
    pub async fn end(mut self) {
        let is_over = || self.unsent() == 0 && self.query(UNDER_WAY).trim() == "0";
        self.until("every status to be sent and no deployment to be under way", || async { is_over().then_some(()) })
            .await;
        for container in self.containers().await {
            let name = container.names.clone().unwrap_or_default().join(" ");
            assert!(!name.contains(".new-") && !name.contains(".old-") && !name.contains(".back-"), "{name} is left");
        }
        self.read_pages().await;
        self.terminate().await;
        self.read_all();
        self.ended = true;
    }

    /// Reads the pages of the newest deployments, while there is a server to ask.
    async fn read_pages(&self) {
        if self.server.is_none() {
            return;
        }
        let keys = self.query("SELECT page_key FROM deployments ORDER BY id DESC LIMIT 12");
        for key in keys.split_whitespace() {
            let page = get(&format!("http://127.0.0.1:{}/deployments/{key}", self.port)).await;
            self.texts.read(Reader::Author, "the page of a deployment", &page.unwrap_or_default());
        }
    }

    /// Reads what the story wrote and told: statuses, answers to pushes, logs.
    fn read_all(&self) {
        for Shown { state, description, .. } in self.all_shown() {
            self.texts.read_status(&state, &description);
        }
        self.texts.read(Reader::Author, "the answers to pushes", &self.repository.heard());
        self.texts.read(Reader::Author, "the deployments' logs", &self.deployment_logs());
        self.texts.read(Reader::Administrator, "the server's log", &self.serve_log());
        let edge_log = std::fs::read_to_string(self.folder.path().join("edge.log")).unwrap_or_default();
        self.texts.read(Reader::Administrator, "the edge's log", &edge_log);
        self.texts.kept().iter().for_each(|(what, text)| self.texts.read(Reader::Administrator, what, text));
    }

    /// Every status that the forge was told, or that stands or stood in the notes.
    fn all_shown(&self) -> Vec<Shown> {
        if let Some(forge) = &self.forge {
            let kept = forge.all_kept().into_iter();
            return kept
                .map(|Kept { context, state, description, .. }| Shown { context, state, description })
                .collect();
        }
        let log = Command::new("git")
            .arg("-C")
            .arg(self.repository.bare())
            .args(["log", "-p", "--format=", "--no-color", "refs/notes/launchway"])
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        log.lines().filter(|line| !line.starts_with("+++")).filter_map(|line| note(line.strip_prefix('+')?)).collect()
    }

    /// Ends the story, and takes away the images of these names, which nobody else would.
    pub async fn end_without(self, images: &[String]) {
        let docker = self.engine.docker.clone();
        self.end().await;
        for name in images {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let _ = docker.remove_image(name, Some(options), None).await;
        }
    }

    /// Ends a story whose point is reached while something is still going on.
    pub fn break_off(mut self) {
        self.kill();
        self.read_all();
        self.ended = true;
    }

    /// Statuses in the outbox, as the store has them.
    fn unsent(&self) -> i64 {
        let text = self.query("SELECT count(*) FROM outbox WHERE settled IS NULL");
        text.trim().parse().unwrap_or(-1)
    }

    /// Asks the story's store, read-only.
    pub fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap()
    }

    /// The same; what SQLite says where it cannot, as while the server makes its store.
    fn try_query(&self, sql: &str) -> Result<String, String> {
        super::store::query(&self.data().join("launchway.db"), sql)
    }

    /// Changes the store of a server that does not run, as time would.
    pub fn change(&self, sql: &str) {
        assert!(self.server.is_none(), "the server runs");
        super::store::change(&self.data().join("launchway.db"), sql);
    }

    async fn remove_everything(engine: &Engine, project: &str) {
        let docker = &engine.docker;
        // The story's further projects begin with its name.
        let is_ours = |labels: Option<&HashMap<String, String>>| {
            labels.and_then(|labels| labels.get("launchway.project")).is_some_and(|owner| owner.starts_with(project))
        };
        let filters = HashMap::from([("label", vec!["launchway.project".to_string()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = docker.list_containers(Some(options)).await.unwrap_or_default();
        for container in containers.into_iter().filter(|container| is_ours(container.labels.as_ref())) {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let _ = docker.remove_container(&container.id.unwrap_or_default(), Some(options)).await;
        }
        for network in docker.list_networks(None::<ListNetworksOptions>).await.unwrap_or_default() {
            if is_ours(network.labels.as_ref()) {
                let _ = docker.remove_network(&network.id.unwrap_or_default()).await;
            }
        }
        let volumes = docker.list_volumes(None::<ListVolumesOptions>).await.ok().and_then(|found| found.volumes);
        for volume in volumes.unwrap_or_default() {
            if is_ours(Some(&volume.labels)) {
                let _ = docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await;
            }
        }
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = docker.list_images(Some(options)).await.unwrap_or_default();
        for image in images.into_iter().filter(|image| is_ours(Some(&image.labels))) {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let _ = docker.remove_image(&image.id, Some(options), None).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for mut process in [self.server.take(), self.edge.take()].into_iter().flatten() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let project = self.project.clone();
        // Drop is not async, and may run inside a runtime: a thread with one of its own tidies up.
        let tidy = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Self::remove_everything(&Engine::here().await, &project).await });
        });
        let _ = tidy.join();
        let is_left_open = self.served && !self.ended && !std::thread::panicking();
        assert!(!is_left_open, "the story was not brought to its end: call `end`, which looks at what is left");
    }
}

/// A line of the notes: `<context> <state> <time> <url or -> <description>`; a context may hold ` (project)`.
fn note(line: &str) -> Option<Shown> {
    let words: Vec<&str> = line.splitn(2, " (").collect();
    let (context, rest) = match words.as_slice() {
        [first, rest] if !first.contains(' ') && rest.contains(") ") => {
            let (project, rest) = rest.split_once(") ")?;
            (format!("{first} ({project})"), rest)
        }
        _ => {
            let (context, rest) = line.split_once(' ')?;
            (context.to_string(), rest)
        }
    };
    let mut parts = rest.splitn(4, ' ');
    let state = parts.next()?.to_string();
    let (_time, _url) = (parts.next()?, parts.next()?);
    Some(Shown { context, state, description: parts.next().unwrap_or_default().to_string() })
}

/// The lines of an environment with a secret that nothing of the story needs, where it declares none: whoever writes out what
/// the settings hold is caught by it.
fn with_canary(environment: &str, tables: &str) -> String {
    if environment.contains("secrets") || tables.contains("environments.production.secrets]") {
        return environment.into();
    }
    format!("secrets = {{ LAUNCHWAY_TEST_CANARY = {CANARY:?} }}\n{environment}")
}

/// A port of loopback that is free now, and none of those from which the kernel chooses for who connects somewhere: one of
/// those can be taken by the time that the story opens it.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(10_240..32_768)).find(is_free).unwrap()
}

/// Sends a signal to a process that the story started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

/// A body, or `None` when nobody answers with success.
pub async fn get(url: &str) -> Option<String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let answer = client.get(url).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    answer.text().await.ok()
}
