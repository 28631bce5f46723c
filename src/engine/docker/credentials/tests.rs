use super::*;
use std::os::unix::fs::PermissionsExt;

async fn in_config(config: &str, registry: &str) -> anyhow::Result<Option<DockerCredentials>> {
    with_helpers(config, registry, Path::new("/nowhere")).await
}

async fn with_helpers(config: &str, registry: &str, helpers: &Path) -> anyhow::Result<Option<DockerCredentials>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, config).unwrap();
    from_file(&path, registry, helpers).await
}

#[tokio::test]
async fn credentials_are_found_by_host_or_url() {
    let config = r#"{"auths": {"https://ghcr.io/v2/": {"auth": "bWU6czNj"}, "https://index.docker.io/v1/": {"auth": "aHViOng6eQ=="}}}"#;
    let found = in_config(config, "ghcr.io").await.unwrap().unwrap();
    assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("me"), Some("s3c")));
    let hub = in_config(config, DOCKER_HUB).await.unwrap().unwrap();
    assert_eq!(hub.password.as_deref(), Some("x:y"));
    assert!(in_config(config, "quay.io").await.unwrap().is_none());
}

#[tokio::test]
async fn no_config_and_an_empty_entry_are_no_credentials() {
    assert!(from_file(Path::new("/nowhere/config.json"), "ghcr.io", Path::new("")).await.unwrap().is_none());
    assert!(in_config(r#"{"auths": {"ghcr.io": {}}}"#, "ghcr.io").await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_config_says_which_file() {
    let error = in_config("{", "ghcr.io").await.unwrap_err();
    assert!(format!("{error:#}").contains("config.json is not understood"), "{error:#}");
}

/// A folder with one helper.
fn helper(name: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("docker-credential-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test]
async fn a_helper_is_asked_for_the_registry() {
    let script = r#"read registry; echo "{\"ServerURL\":\"x\",\"Username\":\"me@$registry\",\"Secret\":\"s\"}""#;
    let folder = helper("one", script);
    let config = r#"{"credHelpers": {"ghcr.io": "one"}}"#;
    let found = with_helpers(config, "ghcr.io", folder.path()).await.unwrap().unwrap();
    assert_eq!(found.username.as_deref(), Some("me@ghcr.io"));
    assert!(with_helpers(config, "quay.io", folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_helper_may_have_nothing_or_a_token() {
    let none = helper("x", "echo credentials not found in native keychain; exit 1");
    let config = r#"{"credsStore": "x"}"#;
    assert!(with_helpers(config, "ghcr.io", none.path()).await.unwrap().is_none());
    let token = helper("x", r#"echo '{"Username":"<token>","Secret":"t"}'"#);
    let found = with_helpers(config, "ghcr.io", token.path()).await.unwrap().unwrap();
    assert_eq!((found.username, found.identitytoken.as_deref()), (None, Some("t")));
}

#[tokio::test]
async fn a_helper_that_fails_or_is_not_there_is_named_and_its_output_is_not_shown() {
    let broken = helper("x", "echo s3cret; exit 3");
    let failed = with_helpers(r#"{"credsStore": "x"}"#, "ghcr.io", broken.path()).await.unwrap_err();
    let text = format!("{failed:#}");
    assert!(text.contains("docker-credential-x failed") && !text.contains("s3cret"), "{text}");
    let absent = in_config(r#"{"credsStore": "absent"}"#, "ghcr.io").await.unwrap_err();
    assert!(format!("{absent:#}").contains("docker-credential-absent"));
    assert!(in_config(r#"{"credsStore": "../evil"}"#, "ghcr.io").await.is_err());
}
