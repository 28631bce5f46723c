use super::*;
use crate::model::*;
use crate::plan::converge::converge;
use crate::plan::fingerprint::fingerprint;
use crate::plan::order::levels;
use crate::plan::sample::{Sample, component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::unnamed::Unnamed;
use crate::plan::{Phase, Plan};

pub fn release(stack: Stack) -> Release {
    let mut parts = BTreeMap::new();
    let mut others = BTreeMap::new();
    for name in levels(&stack).unwrap().into_iter().flatten() {
        let component = &stack.components[&name];
        let reference = component.image.clone().unwrap();
        let image = ImageIdentity::Pulled { pinned: reference.clone(), reference };
        let fingerprint = fingerprint(&stack, component, &image, None, &others);
        others.insert(name.clone(), fingerprint.clone());
        parts.insert(name, ReleasePart::new(image, fingerprint, None));
    }
    Release {
        id: ReleaseId(1),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        stack,
        parts,
    }
}

pub fn wanted(release: &Release, goal: Goal) -> Wanted<'_> {
    Wanted {
        release: Some(release),
        accepted: BTreeMap::new(),
        deployment: Some(DeploymentId(1)),
        goal,
        release_commands: Default::default(),
        passed: BTreeMap::new(),
        found: Vec::new(),
        unnamed: Unnamed::default(),
    }
}

/// An engine on which the release is live.
pub fn live(release: &Release) -> Simulation {
    let mut engine = Simulation::default();
    let plan: Plan = converge(&wanted(release, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, &[Phase::Prepare, Phase::Deploy, Phase::Clean], usize::MAX);
    engine
}

pub fn set(engine: &mut Simulation, name: &str, change: impl FnOnce(&mut ObservedContainer)) {
    change(engine.observed.containers.iter_mut().find(|c| c.name == name).unwrap());
}

/// `web: 1 died, 2 up`, a line for each component.
fn told(release: &Release, observed: &Observed, endings: &[(&str, Ending)]) -> Vec<String> {
    let endings = endings.iter().map(|(id, ending)| (id.to_string(), *ending)).collect();
    let wanted = wanted(release, Goal::PutBack);
    let all = standings(&wanted, observed, &endings);
    let word = |standing: &Standing| match standing {
        Standing::Up(_) => "up",
        Standing::Restarting(_) => "restarting",
        Standing::Died(_) => "died",
        Standing::ByHand(_) => "by hand",
        Standing::Ended(_) => "ended",
        Standing::Missing => "missing",
    };
    let lines = all.iter().map(|one| {
        let replicas: Vec<String> =
            one.replicas.iter().map(|(n, standing)| format!("{n} {}", word(standing))).collect();
        let others = if one.others.is_empty() { String::new() } else { format!(" and {} others", one.others.len()) };
        format!("{}: {}{others}", one.name(), replicas.join(", "))
    });
    lines.collect()
}

/// How a component with this policy stands that has ended with this code.
fn ended(policy: Option<RestartPolicy>, code: i64, restarts: u64, ending: Ending) -> String {
    let mut sample: Sample = component("web");
    sample.0.container.restart = policy;
    let release = release(stack([sample]));
    let mut engine = live(&release);
    set(&mut engine, "shop-web-1", |c| (c.state, c.restart_count) = (ContainerState::Exited { code }, restarts));
    let id = engine.observed.containers[0].id.clone();
    told(&release, &engine.observed, &[(&id, ending)]).remove(0)
}

#[test]
fn what_ended_by_itself_died_and_what_was_told_to_stop_was_stopped() {
    for policy in [None, Some(RestartPolicy::Always), Some(RestartPolicy::UnlessStopped)] {
        for code in [0, 3, 137, 143] {
            assert_eq!(ended(policy, code, 0, Ending::ByItself), "web: 1 died", "{policy:?} {code}");
            assert_eq!(ended(policy, code, 0, Ending::Told), "web: 1 by hand", "{policy:?} {code}");
        }
    }
}

#[test]
fn where_the_engine_has_forgotten_its_restart_policy_tells() {
    let on_failure = |max_retries| Some(RestartPolicy::OnFailure { max_retries });
    for (policy, code, restarts, expected) in [
        // Compose's default: an engine that was restarted leaves it where it is.
        (None, 143, 0, "died"),
        (Some(RestartPolicy::No), 137, 0, "died"),
        (Some(RestartPolicy::Always), 0, 0, "by hand"),
        (Some(RestartPolicy::UnlessStopped), 143, 0, "by hand"),
        // The engine could not start it: its port is taken, its program is missing.
        (Some(RestartPolicy::Always), 128, 0, "died"),
        (Some(RestartPolicy::UnlessStopped), 127, 0, "died"),
        (on_failure(None), 137, 0, "by hand"),
        (on_failure(Some(3)), 1, 3, "died"),
        (on_failure(Some(3)), 1, 1, "by hand"),
    ] {
        assert_eq!(ended(policy, code, restarts, Ending::Unknown), format!("web: 1 {expected}"), "{policy:?} {code}");
    }
}

#[test]
fn the_file_may_let_it_end_well() {
    for policy in [RestartPolicy::No, RestartPolicy::OnFailure { max_retries: None }] {
        for ending in [Ending::ByItself, Ending::Unknown] {
            assert_eq!(ended(Some(policy), 0, 0, ending), "web: 1 ended");
        }
        assert_eq!(ended(Some(policy), 4, 0, Ending::ByItself), "web: 1 died");
    }
}

#[test]
fn replicas_are_told_apart() {
    let release = release(stack([component("web").replicas(5), component("db")]));
    let mut engine = live(&release);
    set(&mut engine, "shop-web-1", |c| c.state = ContainerState::Restarting);
    set(&mut engine, "shop-web-2", |c| c.state = ContainerState::Paused);
    set(&mut engine, "shop-web-3", |c| c.state = ContainerState::Created);
    engine.observed.containers.retain(|c| c.name != "shop-web-4");
    assert_eq!(
        told(&release, &engine.observed, &[]),
        ["db: 1 up", "web: 1 restarting, 2 by hand, 3 died, 4 missing, 5 up"]
    );
}

#[test]
fn a_container_of_somebody_else_in_its_place_is_no_replica() {
    let release = release(stack([component("web")]));
    let mut engine = live(&release);
    set(&mut engine, "shop-web-1", |c| (c.fingerprint, c.release) = (None, None));
    assert_eq!(told(&release, &engine.observed, &[]), ["web: 1 missing and 1 others"]);
}

#[test]
fn a_container_that_was_taken_off_its_network_runs_all_the_same() {
    let release = release(stack([component("web")]));
    let mut engine = live(&release);
    set(&mut engine, "shop-web-1", |c| c.networks.clear());
    assert_eq!(told(&release, &engine.observed, &[]), ["web: 1 up"]);
    let plan = converge(&wanted(&release, Goal::Deploy), &engine.observed).unwrap();
    assert!(!plan.is_empty(), "the next deployment puts it right");
}
