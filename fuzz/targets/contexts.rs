//! A context with a Dockerfile and an ignore file of its own: its key is the same twice, and changes with what is sent.
use launchway::build::content_key;
use launchway::fuzzing::compose::MemoryTree;
use launchway::model::{BuildSpec, RepoPath};
use std::collections::BTreeMap;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * 1024)]);
    let mut parts = text.splitn(3, "\n===\n");
    let (dockerfile, ignore, path) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or("a/b"));
    let tree = |content: &str| {
        let mut tree = MemoryTree::new([("Dockerfile", dockerfile), (".dockerignore", ignore), ("src/main", "x")]);
        if let Ok(path) = RepoPath::new(path.trim())
            && !path.is_root()
            && !path.as_str().starts_with("Dockerfile")
            && path.as_str() != ".dockerignore"
        {
            tree.add(path.as_str(), content.as_bytes());
        }
        tree
    };
    let spec: BuildSpec =
        serde_json::from_value(serde_json::json!({ "context": "", "dockerfile": "Dockerfile" })).unwrap();
    let key = |content, spec: &BuildSpec, platform| {
        content_key(&tree(content), spec, platform, &BTreeMap::new()).ok().map(|key| key.to_string())
    };
    let Some(one) = key("content", &spec, "linux/amd64") else { return };
    assert_eq!(Some(&one), key("content", &spec, "linux/amd64").as_ref());
    assert_ne!(Some(&one), key("content", &spec, "linux/arm64").as_ref());
    // Without an ignore file everything is sent.
    if ignore.trim().is_empty() && RepoPath::new(path.trim()).is_ok_and(|path| path.as_str().starts_with("own/")) {
        assert_ne!(Some(&one), key("other content", &spec, "linux/amd64").as_ref(), "{path:?} does not count");
    }
    let inline = BuildSpec { dockerfile_inline: Some(dockerfile.to_string()), ..spec.clone() };
    let _ = key("content", &inline, "linux/amd64");
}
