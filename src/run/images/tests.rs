use super::*;
use crate::compose::tests::truth::{Accepted, accepted};
use crate::model::{CommitId, EnvironmentName, ReleaseId};
use crate::plan::Phase;
use crate::plan::converge::{Goal, Wanted, converge};
use crate::plan::simulation::Simulation;

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
    let Accepted { name, tree, stack } = read;
    let (project, tree): (_, Arc<dyn Tree>) = (ProjectName::new("shop").unwrap(), Arc::new(tree));
    let anew = Anew { build: false, pull: false, by: DeploymentId(id), store: None, now_ms: 0 };
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
