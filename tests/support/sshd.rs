//! A real sshd on a port of its own, with a host key and one user key made for the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Sshd {
    pub port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

impl Sshd {
    /// `None`, with a word on stderr, where this machine has no sshd.
    pub fn start() -> Option<Self> {
        let Some(binary) = ["/usr/sbin/sshd", "/usr/bin/sshd"].map(Path::new).into_iter().find(|path| path.exists())
        else {
            eprintln!("skipped: there is no sshd on this machine (apt-get install openssh-server)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in ["host", "user", "stranger"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file(name)).status();
            assert!(made.unwrap().success());
        }
        std::fs::copy(file("user.pub"), file("authorized_keys")).unwrap();
        // Free now; taken by sshd in a moment.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let at = folder.path().display();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        std::fs::write(file("sshd_config"), settings).unwrap();
        // sshd wants it for its privilege separation when it runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new(binary)
            .args(["-D", "-e", "-f"])
            .arg(file("sshd_config"))
            .stderr(Stdio::from(std::fs::File::create(file("log")).unwrap()))
            .spawn()
            .unwrap();
        let sshd = Self { port, folder, process };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen: {}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(sshd)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The private key that it lets in.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join("user")
    }
    /// A key that it does not know.
    pub fn strangers_key(&self) -> PathBuf {
        self.folder.path().join("stranger")
    }

    /// A file of known hosts with this server's key, or with a wrong one.
    pub fn known_hosts(&self, key: HostKey) -> PathBuf {
        let path = self.folder.path().join(format!("known_hosts_{key:?}"));
        let public = match key {
            HostKey::Right => std::fs::read_to_string(self.folder.path().join("host.pub")).unwrap(),
            HostKey::Wrong => std::fs::read_to_string(self.folder.path().join("stranger.pub")).unwrap(),
            HostKey::None => String::new(),
        };
        let line = if public.is_empty() { String::new() } else { format!("[127.0.0.1]:{} {public}", self.port) };
        std::fs::write(&path, line).unwrap();
        path
    }

    pub fn url(&self, repository: &Path) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_string());
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, repository.display())
    }
}

#[derive(Debug, Clone, Copy)]
pub enum HostKey {
    Right,
    Wrong,
    None,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
