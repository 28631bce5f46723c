//! A repository of a few files, with includes: reading it ends with a stack or with errors that have a place.
//! `=== path` begins a file; what stands before the first is `compose.yaml`.
use launchway::compose::{ReadRequest, read};
use launchway::fuzzing::compose::MemoryTree;
use launchway::model::{ProjectName, RepoPath, Severity};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(16 * 1024)]);
    let mut tree = MemoryTree::default();
    let mut parts = text.split("\n=== ");
    tree.add("compose.yaml", parts.next().unwrap_or_default().as_bytes());
    for part in parts.take(8) {
        let (path, content) = part.split_once('\n').unwrap_or((part, ""));
        if let Ok(path) = RepoPath::new(path.trim())
            && !path.is_root()
        {
            tree.add(path.as_str(), content.as_bytes());
        }
    }
    let project = ProjectName::new("shop").unwrap();
    let read = read(&ReadRequest::of(&tree, &project));
    match read {
        Ok(reading) => {
            assert!(reading.problems.iter().all(|problem| problem.severity != Severity::Error));
            for (name, component) in &reading.stack.components {
                assert_eq!(*name, component.name);
            }
            // What is stored is read back as it was.
            let stored = serde_json::to_string(&reading.stack).unwrap();
            assert_eq!(serde_json::from_str::<launchway::model::Stack>(&stored).unwrap(), reading.stack);
        }
        Err(problems) => assert!(problems.iter().any(|problem| problem.severity == Severity::Error)),
    }
}
