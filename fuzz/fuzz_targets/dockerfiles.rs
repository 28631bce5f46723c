//! A context with a Dockerfile and an ignore file of its own: its key is the same twice, and changes with what is sent. (What
//! reads the Dockerfile itself belongs here as well.)
#![no_main]
use launchway::build::content_key;
use launchway::fuzzing::compose::MemoryTree;
use launchway::model::{BuildSpec, RepoPath};
use std::collections::BTreeMap;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * 1024)]);
    let mut parts = text.splitn(3, "\n===\n");
    let (dockerfile, ignore, path) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or("a/b"));
    let mut tree = MemoryTree::new([("Dockerfile", dockerfile), (".dockerignore", ignore), ("src/main", "x")]);
    if let Ok(path) = RepoPath::new(path.trim())
        && !path.is_root()
        && !path.as_str().starts_with("Dockerfile")
    {
        tree.add(path.as_str(), b"content");
    }
    let file = |text: &str| serde_json::json!({ "context": "", "dockerfile": text });
    let Ok(spec) = serde_json::from_value::<BuildSpec>(file("Dockerfile")) else { return };
    let none = BTreeMap::new();
    let key = content_key(&tree, &spec, "linux/amd64", &none).map(|key| key.to_string());
    let again = content_key(&tree, &spec, "linux/amd64", &none).map(|key| key.to_string());
    assert_eq!(key.as_ref().ok(), again.as_ref().ok());
    let Ok(key) = key else { return };
    let other = content_key(&tree, &spec, "linux/arm64", &none).unwrap().to_string();
    assert_ne!(key, other);
    let inline = BuildSpec { dockerfile_inline: Some(dockerfile.to_string()), ..spec.clone() };
    let _ = content_key(&tree, &inline, "linux/amd64", &none);
});
