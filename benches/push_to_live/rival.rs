//! By hand: a clone on the server, `git pull`, and Compose.

use super::Measured;
use super::app::{App, Change, live};
use super::figures::Compose;
use super::support::git_repository::{GitRepository, git};
use super::support::world::free_port;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

pub struct Rival(Compose);

impl Rival {
    pub fn find() -> Option<Self> {
        Compose::find().map(Self)
    }

    /// Its first release is live.
    pub async fn start(self) -> Running {
        let mut random = [0u8; 4];
        getrandom::fill(&mut random).expect("randomness");
        let repository = GitRepository::new();
        let clone = repository.root().join("server");
        let app = App::new("hand");
        app.write(&repository);
        repository.commit("First");
        repository.push("main");
        git(repository.root(), &["clone", "-q", "shop.git", "server"]);
        let name = format!("hand{}", hex::encode(random));
        let mut running = Running { rival: self, repository, clone, name, port: free_port(), app };
        running.up().await;
        running
    }
}

pub struct Running {
    rival: Rival,
    /// Where the developer works, and what is pushed to.
    repository: GitRepository,
    clone: PathBuf,
    name: String,
    port: u16,
    app: App,
}

impl Running {
    pub fn name(&self) -> String {
        format!("{}: up -d --build", self.rival.0.name())
    }

    fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.rival.0.command();
        command.args(["-p", &self.name]).args(arguments).current_dir(&self.clone);
        command.env("PORT", self.port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Returns when the new release answered, and when the command ended.
    async fn up(&mut self) -> (Instant, Instant) {
        let (port, answer) = (self.port, self.app.answer());
        let watch = tokio::spawn(async move { live(port, &answer).await });
        let output = tokio::task::block_in_place(|| self.compose(&["up", "-d", "--build"]).output());
        let output = output.expect("Compose starts");
        let done = Instant::now();
        assert!(output.status.success(), "Compose failed: {}", String::from_utf8_lossy(&output.stderr));
        (watch.await.expect("the new release answers"), done)
    }

    pub async fn bring_live(&mut self, change: Change, round: usize, measured: &mut Measured) {
        self.app.change(change, round);
        self.app.write(&self.repository);
        self.repository.commit(&format!("{} {round}", change.name()));
        self.repository.push("main");
        let start = Instant::now();
        tokio::task::block_in_place(|| git(&self.clone, &["pull", "-q"]));
        let (live, done) = self.up().await;
        measured.live.add_time(live - start);
        measured.told.add_time(done - start);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "-v", "--rmi", "local", "-t", "1"]).output();
    }
}
