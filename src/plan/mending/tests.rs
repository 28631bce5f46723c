use super::*;
use crate::model::NetworkMode;
use crate::model::{ContainerState, Ending, Release};
use crate::plan::Goal;
use crate::plan::Phase;
use crate::plan::converge::converge;
use crate::plan::sample::{component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::standing::standings;
use crate::plan::standing::tests::{live, release, set, wanted};
use proptest::prelude::*;

fn shop() -> Release {
    release(stack([
        component("web").after("api").publishes(8080, 80),
        component("api").after("db").replicas(2),
        component("db").volume("data", "/data"),
    ]))
}

fn died(engine: &mut Simulation, name: &str) {
    set(engine, name, |c| c.state = ContainerState::Exited { code: 1 });
}

fn removed(engine: &mut Simulation, name: &str) {
    engine.observed.containers.retain(|c| c.name != name);
}

struct Asked {
    not_now: BTreeSet<ComponentName>,
    repair: Repair,
    wake: bool,
    told: Vec<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { not_now: BTreeSet::new(), repair: Repair::Died, wake: false, told: Vec::new() }
    }
}

fn mend(release: &Release, engine: &Simulation, asked: Asked) -> Plan {
    let endings = engine.observed.containers.iter().map(|c| {
        let ending = if asked.told.contains(&c.name) { Ending::Told } else { Ending::ByItself };
        (c.id.clone(), ending)
    });
    let endings = endings.collect();
    let wanted = wanted(release, Goal::PutBack);
    let standings = standings(&wanted, &engine.observed, &endings);
    let plan = converge(&wanted, &engine.observed).unwrap();
    Mending::new(&standings, &asked.not_now, asked.repair, asked.wake).part(&plan)
}

#[test]
fn what_died_is_started_and_what_was_removed_is_made_anew_in_order() {
    let release = shop();
    let mut engine = live(&release);
    died(&mut engine, "shop-db-1");
    removed(&mut engine, "shop-api-2");
    died(&mut engine, "shop-web-1");
    insta::assert_snapshot!(mend(&release, &engine, Asked::default()), @"
    #1 api-2, create container, it is not there yet
    #2 db-1, start container, it is not running
    [2] -> #3 db-1, wait until ready
    [3] -> #4 api-2, start container, new container
    [4] -> #5 api-2, wait until ready
    [5] -> #6 web-1, start container, it is not running
    [6] -> #7 web-1, wait until ready
    ");
}

#[test]
fn what_waits_for_its_next_try_is_left_out_and_nobody_waits_for_it() {
    let release = shop();
    let mut engine = live(&release);
    for name in ["shop-db-1", "shop-api-1", "shop-web-1"] {
        died(&mut engine, name);
    }
    let not_now = BTreeSet::from([ComponentName::new("api").unwrap()]);
    insta::assert_snapshot!(mend(&release, &engine, Asked { not_now, ..Asked::default() }), @"
    #1 db-1, start container, it is not running
    [1] -> #2 db-1, wait until ready
    [2] -> #3 web-1, start container, it is not running
    [3] -> #4 web-1, wait until ready
    ");
}

#[test]
fn what_somebody_stopped_or_paused_is_left_alone_until_it_is_woken() {
    let release = shop();
    let mut engine = live(&release);
    died(&mut engine, "shop-api-1");
    died(&mut engine, "shop-api-2");
    set(&mut engine, "shop-web-1", |c| c.state = ContainerState::Paused);
    let told = vec!["shop-api-1".to_string()];
    let asked = |repair, wake| Asked { told: told.clone(), repair, wake, ..Asked::default() };
    for repair in [Repair::Died, Repair::Always] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(mend(&release, &engine, asked(repair, false)), @"
            #1 api-2, start container, it is not running
            [1] -> #2 api-2, wait until ready
            ");
        }
    }
    let starts = mend(&release, &engine, asked(Repair::Died, true)).to_string();
    for name in ["api-1", "api-2", "web-1"] {
        assert!(starts.contains(&format!("{name}, start container")), "{starts}");
    }
}

#[test]
fn a_restart_policy_at_work_a_check_that_fails_and_changes_by_hand_need_no_mending() {
    let release = shop();
    let mut engine = live(&release);
    set(&mut engine, "shop-db-1", |c| c.state = ContainerState::Restarting);
    set(&mut engine, "shop-api-1", |c| c.health = crate::model::Health::Unhealthy);
    set(&mut engine, "shop-api-2", |c| c.name = "mine".into());
    set(&mut engine, "shop-web-1", |c| c.fingerprint = None);
    assert_eq!(mend(&release, &engine, Asked::default()).to_string(), "");
}

#[test]
fn changes_by_hand_are_put_right_where_the_settings_say_so() {
    let release = shop();
    let mut engine = live(&release);
    set(&mut engine, "shop-api-2", |c| c.name = "mine".into());
    set(&mut engine, "shop-db-1", |c| c.networks.clear());
    insta::assert_snapshot!(mend(&release, &engine, Asked { repair: Repair::Always, ..Asked::default() }), @"
    #1 db-1, create container, replaces db-1 of release 1
    #2 shop-db-1, stop container, release 1 replaces it
    [2] -> #3 shop-db-1, rename container to shop-db-1.old-00000001, its name is wanted
    [3] -> #4 db-1, rename container to shop-db-1, it takes the name over
    [4] -> #5 db-1, start container, new container
    [5] -> #6 db-1, wait until ready
    [6] -> #7 api-2, rename container to shop-api-2, it takes the name over
    #8 shop-db-1, remove container, release 1 has replaced it
    ");
}

#[test]
fn what_shares_the_network_of_a_removed_container_is_made_anew_with_it() {
    let mut inside = component("inside");
    inside.0.container.network_mode = NetworkMode::Component(ComponentName::new("vpn").unwrap());
    let release = release(stack([component("vpn"), inside]));
    let mut engine = live(&release);
    removed(&mut engine, "shop-vpn-1");
    insta::assert_snapshot!(mend(&release, &engine, Asked::default()), @"
    #1 vpn-1, create container, it is not there yet
    [1] -> #2 inside-1, create container, replaces inside-1 of release 1
    #3 vpn-1, start container, new container
    [3] -> #4 vpn-1, wait until ready
    [3] -> #5 shop-inside-1, stop container, release 1 replaces it
    [5] -> #6 shop-inside-1, rename container to shop-inside-1.old-00000002, its name is wanted
    [6] -> #7 inside-1, rename container to shop-inside-1, it takes the name over
    [7] -> #8 inside-1, start container, new container
    [8] -> #9 inside-1, wait until ready
    #10 shop-inside-1, remove container, release 1 has replaced it
    ");
}

/// One of what may happen to a container.
fn happens(engine: &mut Simulation, index: usize, what: u8) {
    let count = engine.observed.containers.len();
    if count == 0 {
        return;
    }
    let name = engine.observed.containers[index % count].name.clone();
    match what {
        0 => died(engine, &name),
        1 => removed(engine, &name),
        2 => set(engine, &name, |c| c.state = ContainerState::Created),
        3 => set(engine, &name, |c| c.state = ContainerState::Dead),
        _ => {}
    }
}

proptest! {
    /// Whatever died or went: the part of the plan can be carried out, and then everything runs again.
    #[test]
    fn after_mending_everything_runs(blows in proptest::collection::vec((0usize..8, 0u8..5), 0..6)) {
        let release = shop();
        let mut engine = live(&release);
        for (index, what) in blows {
            happens(&mut engine, index, what);
        }
        let plan = mend(&release, &engine, Asked::default());
        for step in &plan.steps {
            prop_assert!(step.waits_for.iter().all(|wait| *wait < step.id));
        }
        engine.carry_out(&plan, &[Phase::Prepare, Phase::Deploy, Phase::Clean], usize::MAX);
        prop_assert_eq!(mend(&release, &engine, Asked::default()).to_string(), "");
        let whole = converge(&wanted(&release, Goal::Deploy), &engine.observed).unwrap();
        prop_assert!(whole.is_empty(), "{}", whole);
    }
}

/// A release that knows of no front was put back behind one: where that one does not answer just now, it stays all the same, as
/// the component has no other name.
#[test]
fn a_front_that_does_not_answer_is_not_taken_away() {
    let mut api = component("api");
    api.0.container.expose = vec!["8080".into()];
    let plain = release(stack([api, component("web").after("api")]));
    let mut fronted = plain.clone();
    assert_eq!(crate::plan::fronts::give_fronts(&mut fronted.stack, &BTreeMap::new()), vec![]);
    let mut engine = Simulation::default();
    engine.observed.front_program = Some("p1".into());
    let plan = converge(&wanted(&fronted, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, &[Phase::Prepare, Phase::Deploy, Phase::Clean], usize::MAX);
    engine.observed.fronts[0].routes = None;
    engine.observed.fronts[0].container.state = ContainerState::Exited { code: 137 };
    let fronts = engine.observed.fronts.clone();
    let wanted = wanted(&plain, Goal::PutBack);
    let standings = standings(&wanted, &engine.observed, &BTreeMap::new());
    let plan = converge(&wanted, &engine.observed).unwrap();
    let part = Mending::new(&standings, &BTreeSet::new(), Repair::Died, false).and_fronts(&fronts).part(&plan);
    insta::assert_snapshot!(part, @"#1 front of api, start front, it is not running");
}

/// `agent` shares the network of `db`.
fn sharing() -> Release {
    let mut agent = component("agent");
    agent.0.container.networks.clear();
    agent.0.container.network_mode = NetworkMode::Component(ComponentName::new("db").unwrap());
    release(stack([component("db").volume("data", "/data"), agent, component("web")]))
}

#[test]
fn who_shares_a_network_is_restarted_after_its_owner_was_whoever_started_that() {
    let release = sharing();
    let engine = live(&release);
    assert!(mend(&release, &engine, Asked::default()).steps.is_empty());
    // The engine started it by itself, after it had died.
    let mut restarted = engine.clone();
    set(&mut restarted, "shop-db-1", |c| c.started_ms = c.started_ms.map(|started| started + 60_000));
    insta::assert_snapshot!(mend(&release, &restarted, Asked::default()), @"
    #1 shop-agent-1, stop container, the network that it shares is made anew whenever its owner is started
    [1] -> #2 agent-1, start container, the network that it shares is made anew whenever its owner is started
    [2] -> #3 agent-1, wait until ready
    ");
    let plan = mend(&release, &restarted, Asked::default());
    restarted.carry_out(&plan, &[Phase::Prepare, Phase::Deploy, Phase::Clean], usize::MAX);
    set(&mut restarted, "shop-agent-1", |c| c.started_ms = Some(1_000_000));
    assert!(mend(&release, &restarted, Asked::default()).steps.is_empty(), "once is enough");
    // Launchway starts it, and who shares with it.
    let mut dead = engine.clone();
    died(&mut dead, "shop-db-1");
    insta::assert_snapshot!(mend(&release, &dead, Asked::default()), @"
    #1 db-1, start container, it is not running
    [1] -> #2 db-1, wait until ready
    [1] -> #3 shop-agent-1, stop container, the network that it shares is made anew whenever its owner is started
    [3] -> #4 agent-1, start container, the network that it shares is made anew whenever its owner is started
    [4] -> #5 agent-1, wait until ready
    ");
}

#[test]
fn who_shares_processes_is_restarted_after_their_owner_was() {
    let mut release = sharing();
    let agent = release.stack.components.get_mut(&ComponentName::new("agent").unwrap()).unwrap();
    agent.container.network_mode = NetworkMode::Networks;
    agent.container.pid = Some("service:db".into());
    let engine = live(&release);
    assert!(mend(&release, &engine, Asked::default()).steps.is_empty());
    let mut restarted = engine.clone();
    set(&mut restarted, "shop-db-1", |c| c.started_ms = c.started_ms.map(|started| started + 60_000));
    insta::assert_snapshot!(mend(&release, &restarted, Asked::default()), @"
    #1 shop-agent-1, stop container, the processes that it shares end whenever their owner is started
    [1] -> #2 agent-1, start container, the processes that it shares end whenever their owner is started
    [2] -> #3 agent-1, wait until ready
    ");
    let mut gone = engine;
    removed(&mut gone, "shop-db-1");
    let plan = mend(&release, &gone, Asked::default()).to_string();
    assert!(plan.contains("[1] -> #2 agent-1, create container, replaces agent-1 of release 1"), "{plan}");
}

#[test]
fn who_shares_a_network_that_somebody_stopped_is_left_alone() {
    let release = sharing();
    let mut engine = live(&release);
    died(&mut engine, "shop-db-1");
    let told = vec!["shop-db-1".to_string()];
    assert!(mend(&release, &engine, Asked { told, ..Asked::default() }).steps.is_empty());
}
