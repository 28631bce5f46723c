//! Where the engine listens, and the two connections that BuildKit needs there: bollard keeps its own to itself.

use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where an engine's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl EngineAddress {
    /// The engine that `DOCKER_HOST` names, else the local one.
    pub fn from_env() -> Result<Self, String> {
        match std::env::var("DOCKER_HOST") {
            Ok(text) if !text.is_empty() => Self::parse(&text),
            _ => Ok(Self::Unix("/var/run/docker.sock".into())),
        }
    }

    /// `unix:///path`, `tcp://host:port` or `http://host:port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let rest = text.strip_prefix("tcp://").or(text.strip_prefix("http://")).map(|rest| rest.trim_end_matches('/'));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains('/') => {
                let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                Ok(Self::Tcp(if has_port { rest.to_string() } else { format!("{rest}:2375") }))
            }
            _ => Err(format!(
                "{text:?} is not an engine's address that Launchway can build on: unix:///path or tcp://host:port"
            )),
        }
    }

    /// Opens `path` and turns the connection into one that both sides use freely.
    pub(super) async fn upgrade(&self, path: &str, headers: &[(&'static str, String)]) -> Result<Upgraded, String> {
        match self {
            Self::Unix(socket) => {
                let stream = tokio::net::UnixStream::connect(socket).await;
                upgrade(stream.map_err(|error| error.to_string())?, path, headers).await
            }
            Self::Tcp(address) => {
                let stream = tokio::net::TcpStream::connect(address).await;
                upgrade(stream.map_err(|error| error.to_string())?, path, headers).await
            }
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

async fn upgrade<S>(stream: S, path: &str, headers: &[(&'static str, String)]) -> Result<Upgraded, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    // Ends with the connection, which the owner of the upgraded stream closes by dropping it.
    tokio::spawn(connection.with_upgrades());
    let mut request =
        hyper::Request::post(path).header(HOST, "engine").header(CONNECTION, "Upgrade").header(UPGRADE, "h2c");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(String::new()).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("{path} answers {}", answer.status()));
    }
    hyper::upgrade::on(answer).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_docker_host() {
        for (text, shown) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("tcp://engine", "tcp://engine:2375"),
            ("http://engine:99/", "tcp://engine:99"),
        ] {
            assert_eq!(EngineAddress::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "ssh://host", "unix://relative", "tcp://", "https://host:2376"] {
            assert!(EngineAddress::parse(text).is_err(), "{text}");
        }
    }
}
