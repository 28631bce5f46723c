use super::*;
use crate::compose::tests::truth::{Accepted, accepted, accepted_files};
use crate::model::{CommitId, EnvironmentName, ReleaseId};
use crate::plan::Phase;
use crate::plan::converge::converge;
use crate::plan::simulation::Simulation;
use crate::plan::{Goal, Wanted};

#[test]
fn an_image_is_pinned_by_its_digest_where_the_registry_gave_one() {
    let image =
        Image { id: "sha256:1".into(), repo_digests: vec!["host:5000/a/b@sha256:2".into()], ..Default::default() };
    assert_eq!(pin("host:5000/a/b:3", &image), "host:5000/a/b@sha256:2");
    assert_eq!(pin("other", &image), "sha256:1");
}

#[test]
fn any_component_name_gives_a_proper_image_name() {
    let name =
        |component: &str| repository(&ProjectName::new("shop").unwrap(), &ComponentName::new(component).unwrap());
    assert_eq!(name("api"), "launchway/shop/api");
    assert!(name("My_Api").starts_with("launchway/shop/my-api-"), "{}", name("My_Api"));
    assert_ne!(name("a.b"), name("a-b"));
}

async fn released(id: i64, commit: char, read: Accepted, live: Option<&Release>) -> Release {
    released_with(id, commit, read, live, false).await
}

/// `build`: whatever is built is built anew.
async fn released_with(id: i64, commit: char, read: Accepted, live: Option<&Release>, build: bool) -> Release {
    let Accepted { name, tree, stack } = read;
    let (project, tree): (_, Arc<dyn Tree>) = (ProjectName::new("shop").unwrap(), Arc::new(tree));
    let anew = Anew { build, pull: false, by: DeploymentId(id), store: None, now_ms: 0 };
    let settling = Settling {
        project: &project,
        stack: &stack,
        tree: &tree,
        live,
        platform: "linux/amd64",
        content_keys: &ContentKeys::default(),
        reader: Reader {
            readers: None,
            project: &project,
            cancel: &CancellationToken::new(),
            most: std::time::Duration::MAX,
            longest: std::time::Duration::MAX,
        },
        resolve: Resolve::Name,
        known: None,
        anew,
        allowed_images: &[],
        accounts: &RegistryAccounts::default(),
    };
    let parts = settle(&settling).await.unwrap_or_else(|why| panic!("{name}: {why}"));
    let environment = EnvironmentName::new("production").unwrap();
    let commit = CommitId::new(commit.to_string().repeat(40)).unwrap();
    Release { id: ReleaseId(id), project, environment, commit, stack, parts }
}

fn wanted(release: &Release) -> Wanted<'_> {
    Wanted {
        release: Some(release),
        accepted: BTreeMap::new(),
        deployment: Some(DeploymentId(release.id.0)),
        goal: Goal::Deploy,
        release_commands: BTreeSet::new(),
        passed: BTreeMap::new(),
        found: Vec::new(),
        unnamed: Default::default(),
    }
}

/// They mount the whole repository: whatever changes there is theirs.
const TAKE_ALL: &[&str] = &["awesome-compose/flask-redis/default: web"];

/// On every file of the corpus: a file beside it changes, and the commit with it.
#[tokio::test]
async fn a_push_that_changes_nothing_of_a_stack_touches_nothing() {
    let before = accepted(&"a".repeat(40), &[("unrelated/notes.md", "one"), (".dockerignore", "unrelated\n")]);
    let after = accepted(&"b".repeat(40), &[("unrelated/notes.md", "two"), (".dockerignore", "unrelated\n")]);
    assert_eq!(before.len(), after.len());
    let (mut touched, mut planned) = (BTreeSet::new(), 0);
    for (before, after) in before.into_iter().zip(after) {
        let name = before.name.clone();
        let first = released(1, 'a', before, None).await;
        let mut engine = Simulation::default();
        engine.shares = true;
        for network in first.stack.networks.values().filter(|network| network.external) {
            engine.observed.networks.insert(network.name.clone(), Default::default());
        }
        for volume in first.stack.volumes.values().filter(|volume| volume.external) {
            engine.observed.volumes.insert(volume.name.clone(), Default::default());
        }
        let plan = converge(&wanted(&first), &engine.observed).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        engine.carry_out(&plan, &[Phase::Prepare, Phase::Deploy, Phase::Clean], usize::MAX);
        let second = released(2, 'b', after, Some(&first)).await;
        let plan = converge(&wanted(&second), &engine.observed).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        planned += 1;
        touched.extend(plan.steps.iter().filter_map(|step| Some(format!("{name}: {}", step.component.as_ref()?))));
        assert!(plan.steps.iter().all(|step| step.component.is_some() || step.waits_for.is_empty()), "{name}:\n{plan}");
    }
    assert_eq!(touched.iter().map(String::as_str).collect::<Vec<_>>(), TAKE_ALL);
    assert!(planned > 45, "{planned}");
}

/// Whose builds these are is told from the file, and their order follows from it alone: `app` waits for nobody, and comes before
/// what it is built from.
const SHARED: &str = r#"
services:
  app: { image: shop/web }
  from: { build: ./from }
  net: { image: alpine, environment: [VALUE] }
  web: { build: ./web, image: shop/web, network_mode: 'service:net', x-launchway: { paths: ["docs/**"] } }
"#;

fn shared(web: &str, docs: &str, net: &str) -> Accepted {
    accepted_files(&[
        ("compose.yaml", &SHARED.replace("VALUE", &format!("VALUE={net}"))),
        ("web/Dockerfile", web),
        ("from/Dockerfile", "FROM shop/web\n"),
        ("docs/guide.md", docs),
    ])
}

#[tokio::test]
async fn who_uses_another_ones_build_or_is_built_from_it_is_changed_by_all_that_changes_that() {
    let first = released(1, 'a', shared("FROM alpine\n", "one", "1"), None).await;
    let image = |release: &Release, name: &str| release.parts[name].image.clone();
    assert_eq!(image(&first, "app"), image(&first, "web"));
    let ImageIdentity::Built { tag, .. } = image(&first, "app") else { panic!() };
    assert!(tag.starts_with("launchway/shop/web:"), "{tag}");
    for (what, other) in [
        ("the Dockerfile", shared("FROM alpine:3\n", "one", "1")),
        ("x-launchway.paths", shared("FROM alpine\n", "two", "1")),
    ] {
        let second = released(2, 'b', other, Some(&first)).await;
        assert_eq!(image(&second, "app"), image(&second, "web"), "{what}");
        for name in ["app", "from", "web"] {
            assert_ne!(second.parts[name].fingerprint, first.parts[name].fingerprint, "{what}: {name}");
            assert_ne!(image(&second, name), image(&first, name), "{what}: {name}");
        }
        assert_eq!(second.parts["net"], first.parts["net"]);
    }
    // Built anew without a change, and with it all that uses it: each of them is another image now.
    let anew = released_with(3, 'a', shared("FROM alpine\n", "one", "1"), Some(&first), true).await;
    assert_eq!(image(&anew, "app"), image(&anew, "web"));
    assert!(["app", "from", "web"].iter().all(|name| image(&anew, name) != image(&first, name)));
}

#[tokio::test]
async fn who_shares_anothers_network_is_changed_with_it_though_its_image_is_wanted_before() {
    let first = released(1, 'a', shared("FROM alpine\n", "one", "1"), None).await;
    let second = released(2, 'b', shared("FROM alpine\n", "one", "2"), Some(&first)).await;
    let changed = |name: &&str| first.parts[*name].fingerprint != second.parts[*name].fingerprint;
    assert_eq!(["app", "from", "net", "web"].into_iter().filter(changed).collect::<Vec<_>>(), ["net", "web"]);
}
