//! Registry credentials out of the server's Docker `config.json`, by its helpers too.
//!
//! Format: `docker login`'s (docker/cli, cli/config/configfile) and docker-credential-helpers' `get`: the registry on
//! stdin, `{"ServerURL", "Username", "Secret"}` on stdout, the user name `<token>` for an identity token.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The name under which Docker Hub's credentials are kept.
pub(super) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A helper may ask a cloud for a token, but not a person for a password.
const HELPER_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(***)")
    }
}

/// The credentials for a registry (`ghcr.io`, `localhost:5000`, [`DOCKER_HUB`]); `None` where there are none.
/// `config` stands in for the user's own `config.json`.
pub(super) async fn of_registry(config: Option<&Path>, registry: &str) -> anyhow::Result<Option<DockerCredentials>> {
    let Some(path) = config.map(Path::to_path_buf).or_else(config_path) else { return Ok(None) };
    from_file(&path, registry, Path::new("")).await
}

fn config_path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = folder("DOCKER_CONFIG").or_else(|| folder("HOME").map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// `helpers` is the folder of the helper programs; the empty path means wherever `PATH` leads.
async fn from_file(path: &Path, registry: &str, helpers: &Path) -> anyhow::Result<Option<DockerCredentials>> {
    let text = match tokio::fs::read(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let config: Config =
        // The error itself would quote what stands there.
        serde_json::from_slice(&text).map_err(|error| {
            anyhow::anyhow!("{} is not understood, from line {} on", path.display(), error.line())
        })?;
    let helper = of_host(&config.helpers, registry).map(|(_, helper)| helper).or(config.store.as_ref());
    if let Some(helper) = helper
        && let Some(found) = ask_helper(helpers, helper, registry).await?
    {
        return Ok(Some(found));
    }
    let Some((server, entry)) = of_host(&config.auths, registry) else { return Ok(None) };
    credentials(server, entry).with_context(|| format!("the entry {server:?} of {}", path.display()))
}

/// Entries are keyed by a host or, as `docker login` once wrote them, by a URL.
fn of_host<'a, T>(entries: &'a BTreeMap<String, T>, registry: &str) -> Option<(&'a str, &'a T)> {
    let exact = entries.get_key_value(registry);
    let same_host = || entries.iter().find(|(server, _)| host(server) == host(registry));
    exact.or_else(same_host).map(|(server, value)| (server.as_str(), value))
}

fn host(server: &str) -> &str {
    let without_scheme = server.strip_prefix("https://").or_else(|| server.strip_prefix("http://")).unwrap_or(server);
    without_scheme.split('/').next().unwrap_or_default()
}

fn credentials(server: &str, entry: &Entry) -> anyhow::Result<Option<DockerCredentials>> {
    let mut username = entry.username.clone();
    let mut password = entry.password.clone();
    if let Some(auth) = entry.auth.as_deref().filter(|auth| !auth.is_empty()) {
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth).context("`auth` is not base64")?;
        let decoded = String::from_utf8(decoded).context("`auth` is not text")?;
        let Some((user, secret)) = decoded.split_once(':') else { bail!("`auth` holds no colon") };
        username = Some(user.to_string());
        password = Some(secret.trim_end_matches('\0').to_string());
    }
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let found = DockerCredentials {
        username: some(&username),
        password: some(&password),
        identitytoken: some(&entry.identitytoken),
        registrytoken: some(&entry.registrytoken),
        serveraddress: Some(server.to_string()),
        ..Default::default()
    };
    // `docker login` with a helper leaves an empty entry behind.
    let empty = found.username.is_none() && found.identitytoken.is_none() && found.registrytoken.is_none();
    Ok((!empty).then_some(found))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

async fn ask_helper(helpers: &Path, helper: &str, registry: &str) -> anyhow::Result<Option<DockerCredentials>> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ensure!(!helper.is_empty() && helper.chars().all(harmless), "{helper:?} is no name of a credential helper");
    let program = format!("docker-credential-{helper}");
    let mut command = tokio::process::Command::new(helpers.join(&program));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = crate::process::as_it_was(&mut command)
        .spawn()
        .with_context(|| format!("running {program}, which Docker's config.json names"))?;
    let input = child.stdin.take();
    let asked = async {
        if let Some(mut input) = input {
            // A helper that ends without reading is judged by what it answers.
            let _ = input.write_all(registry.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_LIMIT, asked)
        .await
        .with_context(|| format!("{program} did not answer within {} s", HELPER_LIMIT.as_secs()))?
        .with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        // docker-credential-helpers: the one error that means that it has none.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        // What it said is left out: it may hold a secret.
        bail!("{program} failed ({}) when asked for {registry}", output.status);
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .ok()
        .with_context(|| format!("what {program} answered for {registry} is not understood"))?;
    let mut found = DockerCredentials { serveraddress: Some(registry.to_string()), ..Default::default() };
    if answer.username == "<token>" {
        found.identitytoken = Some(answer.secret);
    } else {
        found.username = Some(answer.username);
        found.password = Some(answer.secret);
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests;
