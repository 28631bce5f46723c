//! The command line's side of the control API: requests over the Unix socket in the data directory.

use super::serve::SOCKET;
use crate::config;
use crate::model::plain_strings;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server that only reads its store answers at once.
const READS_WITHIN: Duration = Duration::from_secs(30);
/// Deploying and planning fetch from the forge first, for as long as the server's own limits allow.
const ACTS_WITHIN: Duration = Duration::from_secs(20 * 60);

/// Why a command had no answer, as a sentence for whoever typed it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no Launchway answers at {socket} ({why}). Start it with `launchway serve`, or name its settings with --config: \
         the socket is in their `data` directory"
    )]
    NoServer { socket: PathBuf, why: String },
    #[error("you may not use {socket} ({why}). Run the command as the user who runs the server, or as root")]
    Forbidden { socket: PathBuf, why: String },
    /// The server's own words.
    #[error("{detail}")]
    Refused { status: u16, detail: String },
    #[error("the server's answer is not understood: {0}. Are command and server of the same version?")]
    NotUnderstood(String),
}

/// Speaks to the server on this machine over its control socket.
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    /// For the server whose settings are at `config`; does not connect yet.
    pub fn new(config: &Path) -> anyhow::Result<Self> {
        Self::at(config::data_directory(config)?.join(SOCKET))
    }

    /// For the server whose control socket is here.
    pub fn at(socket: PathBuf) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().unix_socket(socket.clone()).no_proxy().build()?;
        Ok(Self { http, socket })
    }

    /// Asks for what is at `path`.
    ///
    /// # Errors
    /// No answer, one that is none, or a refusal.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ClientError> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.request(Method::GET, url).timeout(READS_WITHIN)).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// No answer, one that is none, or a refusal.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send(self.http.request(Method::POST, self.url(path)?).json(body).timeout(ACTS_WITHIN)).await
    }

    /// The same for an answer of many lines of JSON: each is given on as it comes.
    pub async fn follow<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        mut each: impl FnMut(T),
    ) -> Result<(), ClientError> {
        let within = |error: tokio::time::error::Elapsed| ClientError::NoServer {
            socket: self.socket.clone(),
            why: format!("it said nothing for long: {error}"),
        };
        let request = self.http.request(Method::POST, self.url(path)?).json(body);
        let sent = tokio::time::timeout(ACTS_WITHIN, request.send()).await.map_err(within)?;
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status != StatusCode::OK {
            let body = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
            return Err(refused(status, &body));
        }
        let mut begun = Vec::new();
        loop {
            let came = tokio::time::timeout(ACTS_WITHIN, answer.chunk()).await.map_err(within)?;
            let Some(piece) = came.map_err(|error| self.unreachable(&error))? else { break };
            begun.extend_from_slice(&piece);
            while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = begun.drain(..=end).collect();
                each(understood(&line)?);
            }
        }
        match begun.is_empty() {
            true => Ok(()),
            // Such as an older server's answer, which is one piece of JSON.
            false => Err(ClientError::NotUnderstood("its last line has no end".to_string())),
        }
    }

    fn url(&self, path: &str) -> Result<url::Url, ClientError> {
        let text = format!("http://launchway{path}");
        url::Url::parse(&text).map_err(|error| ClientError::NotUnderstood(format!("{path}: {error}")))
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unreachable(&error)),
        };
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        understood(&body)
    }

    /// Why there was no answer. The socket itself tells it better than an error that has passed three libraries.
    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let socket = self.socket.clone();
        match UnixStream::connect(&self.socket) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                ClientError::Forbidden { socket, why: error.to_string() }
            }
            Err(error) => ClientError::NoServer { socket, why: error.to_string() },
            Ok(_) if error.is_timeout() => {
                ClientError::NoServer { socket, why: "it does not answer in time".to_string() }
            }
            Ok(_) => ClientError::NoServer { socket, why: error.to_string() },
        }
    }
}

/// What the server says. Whatever server that is, and whoever wrote the texts that it passes on: they go to a terminal.
fn understood<T: DeserializeOwned>(json: &[u8]) -> Result<T, ClientError> {
    let read = || {
        let mut value: serde_json::Value = serde_json::from_slice(json)?;
        plain_strings(&mut value);
        serde_json::from_value(value)
    };
    read().map_err(|error: serde_json::Error| ClientError::NotUnderstood(error.to_string()))
}

/// The same for what was worked out here.
pub fn as_plain<T: Serialize + DeserializeOwned>(told: &T) -> anyhow::Result<T> {
    let mut value = serde_json::to_value(told)?;
    plain_strings(&mut value);
    Ok(serde_json::from_value(value)?)
}

fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let detail = match problem.get("detail").and_then(|detail| detail.as_str()) {
        Some(detail) => detail.to_string(),
        // Such as axum's own words on a body that it cannot read.
        None => format!("{status}: {}", String::from_utf8_lossy(body).trim()),
    };
    ClientError::Refused { status: status.as_u16(), detail }
}

/// Runs a command's work on a small runtime of its own.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
