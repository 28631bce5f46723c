use super::*;
use crate::model::{Entry, RepoPath, TreeError};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A tree in memory: path -> (executable, content).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct MemoryTree {
    files: BTreeMap<String, (bool, String)>,
    time: i64,
}

impl MemoryTree {
    fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (path.to_string(), (false, text.to_string())));
        Self { files: files.collect(), time: 0 }
    }

    fn below<'a>(&'a self, folder: &'a RepoPath) -> impl Iterator<Item = (&'a str, &'a (bool, String))> {
        self.files.iter().filter_map(|(path, file)| {
            let rest = RepoPath::new(path).ok()?;
            rest.relative_to(folder).filter(|rest| !rest.is_empty())?;
            Some((path.as_str(), file))
        })
    }
}

impl Tree for MemoryTree {
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        if let Some((executable, text)) = self.files.get(path.as_str()) {
            let kind = if *executable { EntryKind::Executable } else { EntryKind::File };
            return Ok(Some(Entry { path: path.clone(), kind, id: hex::encode(Sha256::digest(text)) }));
        }
        let below: Vec<_> = self.below(path).map(|(at, file)| (&at[path.as_str().len()..], file)).collect();
        if below.is_empty() && !path.is_root() {
            return Ok(None);
        }
        let id = hex::encode(Sha256::digest(format!("{below:?}")));
        Ok(Some(Entry { path: path.clone(), kind: EntryKind::Directory, id }))
    }
    fn list(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        let names: BTreeSet<String> = self
            .below(folder)
            .filter_map(|(path, _)| {
                let path = RepoPath::new(path).ok()?;
                Some(path.relative_to(folder)?.split('/').next()?.to_string())
            })
            .collect();
        names.iter().map(|name| self.entry(&folder.join(name).unwrap()).map(Option::unwrap)).collect()
    }
    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        let file = self.files.get(path.as_str()).ok_or_else(|| TreeError::NotFound(path.clone()))?;
        Ok(file.1.clone().into_bytes())
    }
    fn time(&self) -> i64 {
        self.time
    }
}

fn spec() -> BuildSpec {
    BuildSpec { context: path("app"), dockerfile: path("app/Dockerfile"), ..BuildSpec::default() }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn key(tree: &MemoryTree, spec: &BuildSpec) -> ContentKey {
    content_key(tree, spec, "linux/amd64", &BTreeMap::new()).unwrap()
}

#[test]
fn what_is_ignored_or_lies_elsewhere_or_is_younger_changes_nothing() {
    let before = MemoryTree::with(&[("app/Dockerfile", "FROM x"), ("app/main.go", "1"), ("app/.dockerignore", "*.md")]);
    let mut after = before.clone();
    after.files.insert("app/README.md".into(), (false, "text".into()));
    after.files.insert("other/main.go".into(), (false, "text".into()));
    after.time = 1_000;
    assert_eq!(key(&before, &spec()), key(&after, &spec()));
    let pulled =
        BuildSpec { pull: true, no_cache: true, cache_from: vec!["x".into()], tags: vec!["y".into()], ..spec() };
    assert_eq!(key(&before, &spec()), key(&before, &pulled));
}

#[test]
fn each_thing_that_the_image_is_made_of_counts() {
    let tree = MemoryTree::with(&[
        ("app/Dockerfile", "FROM x"),
        ("app/main.go", "1"),
        ("shared/lib.c", "1"),
        ("other.Dockerfile", "FROM y"),
    ]);
    let base = key(&tree, &spec());
    let one = |name: &str, value: &str| BTreeMap::from([(name.to_string(), value.to_string())]);
    let secret = crate::model::BuildSecret { id: "token".into(), value: crate::model::Secret::new("one") };
    let folder = BTreeMap::from([("shared".to_string(), AdditionalContext::Folder(path("shared")))]);
    let changed = [
        BuildSpec { args: one("a", "b"), ..spec() },
        BuildSpec { labels: one("a", "b"), ..spec() },
        BuildSpec { target: Some("build".into()), ..spec() },
        BuildSpec { platform: Some("linux/arm64".into()), ..spec() },
        BuildSpec { dockerfile: path("other.Dockerfile"), ..spec() },
        BuildSpec { dockerfile_inline: Some("FROM z".into()), ..spec() },
        BuildSpec { network: Some("host".into()), ..spec() },
        BuildSpec { secrets: vec![secret.clone()], ..spec() },
        BuildSpec { additional_contexts: folder.clone(), ..spec() },
    ];
    let mut keys: BTreeSet<ContentKey> = changed.iter().map(|spec| key(&tree, spec)).collect();
    keys.insert(base);
    assert_eq!(keys.len(), changed.len() + 1);
    let mut other = tree.clone();
    other.files.insert("shared/lib.c".into(), (false, "2".into()));
    let with_folder = BuildSpec { additional_contexts: folder, ..spec() };
    assert_ne!(key(&tree, &with_folder), key(&other, &with_folder));
    assert_eq!(key(&tree, &spec()), key(&other, &spec()));
    let with_secret = |value| crate::model::BuildSecret { value: crate::model::Secret::new(value), ..secret.clone() };
    assert_eq!(
        key(&tree, &BuildSpec { secrets: vec![with_secret("one")], ..spec() }),
        key(&tree, &BuildSpec { secrets: vec![with_secret("two")], ..spec() })
    );
}

#[test]
fn the_image_of_another_component_counts() {
    let tree = MemoryTree::with(&[("app/Dockerfile", "FROM base")]);
    let base = ComponentName::new("base").unwrap();
    let contexts = BTreeMap::from([("base".to_string(), AdditionalContext::Component(base.clone()))]);
    let spec = BuildSpec { additional_contexts: contexts, ..spec() };
    let with = |image: &str| content_key(&tree, &spec, "linux/amd64", &BTreeMap::from([(base.clone(), image.into())]));
    assert_ne!(with("one").unwrap(), with("two").unwrap());
    assert!(content_key(&tree, &spec, "linux/amd64", &BTreeMap::new()).is_err());
}

fn trees() -> impl Strategy<Value = MemoryTree> {
    let name = prop::sample::select(vec!["a", "b", "c.md", "d/a", "d/e/a", "d/e/c.md", "run"]);
    let file = (any::<bool>(), prop::sample::select(vec!["", "1", "2"]));
    let ignore = prop::option::of(prop::sample::select(vec!["", "*.md", "d\n!d/e", "**/a\n!d/a", "*\n!run"]));
    (prop::collection::btree_map(name, file, 0..6), ignore).prop_map(|(files, ignore)| {
        let mut tree = MemoryTree::with(&[("app/Dockerfile", "FROM x")]);
        let files =
            files.into_iter().map(|(path, (executable, text))| (format!("app/{path}"), (executable, text.into())));
        tree.files.extend(files);
        tree.files.extend(ignore.map(|text| ("app/.dockerignore".to_string(), (false, text.to_string()))));
        tree
    })
}

/// What BuildKit would be sent, spelled out.
fn sent(tree: &MemoryTree) -> Vec<(String, EntryKind, Vec<u8>)> {
    let entries = crate::build::listing(tree, &spec()).unwrap();
    let content = |at: &RepoPath| tree.read(at).unwrap_or_default();
    entries.into_iter().map(|entry| (entry.path, entry.kind, content(&entry.source))).collect()
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_where_what_is_sent_is_equal((one, two) in (trees(), trees())) {
        // A tree with an ignore file and one without are told apart by it, even where it ignores nothing.
        let same_form = Context::of(&one, &spec()).unwrap().ignore.is_empty()
            == Context::of(&two, &spec()).unwrap().ignore.is_empty();
        prop_assume!(same_form);
        prop_assert_eq!(key(&one, &spec()) == key(&two, &spec()), sent(&one) == sent(&two));
    }

    #[test]
    fn any_one_change_that_is_sent_changes_the_key(tree in trees(), text in "[a-z]{3}") {
        let mut changed = tree.clone();
        changed.files.insert("app/run".to_string(), (true, text));
        prop_assert_ne!(key(&tree, &spec()), key(&changed, &spec()));
    }
}
