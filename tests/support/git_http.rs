//! Repositories over HTTP: git's own `http-backend` behind a small CGI handler that asks for a token.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use base64::Engine as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// Who may write, where a repository is served with [`GitHttp::start`].
pub const USER: &str = "deploy";
pub const PASSWORD: &str = "pw-7d2e9a41c0";

pub struct GitHttp {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

struct Settings {
    root: PathBuf,
    /// `user:password`, the only one that is let in.
    login: Option<String>,
}

impl GitHttp {
    /// Serves the repositories below `root`; with a token, only to `oauth2:<token>`.
    pub async fn serve(root: &Path, token: Option<&str>) -> Self {
        Self::serve_to(root, token.map(|token| format!("oauth2:{token}"))).await
    }

    /// Serves them to [`USER`], for reading and writing.
    pub async fn start(root: &Path) -> Self {
        Self::serve_to(root, Some(format!("{USER}:{PASSWORD}"))).await
    }

    async fn serve_to(root: &Path, login: Option<String>) -> Self {
        let settings = Arc::new(Settings { root: root.to_path_buf(), login });
        let app = axum::Router::new().fallback(answer).with_state(settings);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, task }
    }

    pub fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(settings): State<Arc<Settings>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_string();
    if let Some(login) = &settings.login {
        let expected = base64::engine::general_purpose::STANDARD.encode(login);
        if header(header::AUTHORIZATION) != format!("Basic {expected}") {
            return Response::builder()
                .status(StatusCode::UNAUTHORIZED)
                .header(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")
                .body(Body::empty())
                .unwrap();
        }
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut backend = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &settings.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header(header::CONTENT_ENCODING))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REMOTE_USER", if settings.login.is_some() { USER } else { "" })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let send = async move {
        let _ = stdin.write_all(&body).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(backend.wait_with_output(), send);
    respond(output.unwrap().stdout)
}

/// A CGI answer: header lines, an empty line, the body.
fn respond(output: Vec<u8>) -> Response<Body> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(Bytes::from(output).slice(end + 4..))).unwrap()
}
