//! Small apps for stories: a web server that says its version, with whatever the story needs around it.

use super::git_repository::GitRepository;
use super::images::BASE;

/// A web server in `web/` that answers every request with the text of `web/version`.
pub fn write_web(repository: &GitRepository, version: &str) {
    let server = "#!/bin/sh\nmkdir -p /www && cp /version /www/index.html\nexec httpd -f -p 8080 -h /www\n";
    repository.write("web/version", version).write("web/start", server).write(
        "web/Dockerfile",
        format!("FROM {BASE}\nCOPY start version /\nRUN chmod 755 /start\nCMD [\"/start\"]\n"),
    );
}

/// The service `web` of a Compose file: published on `${PORT}`, healthy when it answers.
pub const WEB: &str = r#"
  web:
    build: ./web
    init: true
    stop_grace_period: 1s
    ports: ["127.0.0.1:${PORT}:8080"]
    healthcheck: { test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 1s, timeout: 2s, retries: 5 }
"#;

/// A second service that keeps a file on a volume.
pub const STORE: &str = r#"
  store:
    image: launchway-test/base:1
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "date >> /data/starts; exec tail -f /dev/null"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "test", "-s", "/data/starts"], interval: 1s, timeout: 2s, retries: 5 }
"#;

/// `compose.yaml` with `web` after `store`.
pub fn write_shop(repository: &GitRepository, version: &str) {
    write_web(repository, version);
    let after = "    depends_on: { store: { condition: service_healthy } }\n";
    repository.write("compose.yaml", format!("services:{WEB}{after}{STORE}volumes: {{ data: {{}} }}\n"));
}

/// The service `web` that builds nothing and publishes nothing: it runs, and is healthy, within a second or two.
pub fn write_quick(repository: &GitRepository, version: &str) {
    repository.write("compose.yaml", quick(version, "[\"CMD\", \"true\"]"));
}

/// The same, but healthy only once the story opens its gate (`World::open_gates`).
pub fn write_gated(repository: &GitRepository, version: &str) {
    repository.write("compose.yaml", quick(version, "[\"CMD\", \"test\", \"-e\", \"/open\"]"));
}

fn quick(version: &str, test: &str) -> String {
    format!(
        r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["tail", "-f", "/dev/null"]
    environment: {{ VERSION: "{version}" }}
    healthcheck: {{ test: {test}, interval: 1s, timeout: 5s, retries: 100 }}
"#
    )
}

/// `compose.yaml` with `web` after `store`, of which nothing has to be built.
pub fn write_ready_made(repository: &GitRepository, version: &str) {
    write_ready_made_with(repository, &serve(version));
}

/// The command of a web server that says its version.
pub fn serve(version: &str) -> String {
    format!("mkdir /www; echo -n {version} > /www/index.html; exec httpd -f -p 8080 -h /www")
}

/// The service `web`, of which nothing has to be built, with this command.
pub fn ready_made_web(command: &str) -> String {
    WEB.replace("build: ./web", &format!("image: {BASE}\n    command: [\"sh\", \"-c\", \"{command}\"]"))
}

/// The same with a `web` that says why and ends at once.
pub fn write_ready_made_broken(repository: &GitRepository, why: &str) {
    write_ready_made_with(repository, &format!("echo {why} >&2; exit 7"));
}

fn write_ready_made_with(repository: &GitRepository, command: &str) {
    let web = ready_made_web(command);
    let after = "    depends_on: { store: { condition: service_healthy } }\n";
    repository.write("compose.yaml", format!("services:{web}{after}{STORE}volumes: {{ data: {{}} }}\n"));
}
