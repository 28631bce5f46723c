use super::*;
use crate::edge::live::{Live, Probed};
use crate::edge::replica::Busy;
use crate::edge::standing::Standing;
use crate::model::{ComponentRoutes, Replica, RouteKey, WeightedRelease};

/// Releases by weight and number of replicas, numbered from 1.
fn component(releases: &[(u8, usize)]) -> Arc<Component> {
    let key = RouteKey {
        project: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        component: "web".parse().unwrap(),
    };
    let release = |(index, (weight, count)): (usize, &(u8, usize))| WeightedRelease {
        release: ReleaseId(index as i64 + 1),
        weight: *weight,
        replicas: (0..*count)
            .map(|replica| Replica {
                id: format!("{}-{replica}", index + 1),
                address: Some([127, 0, 0, 1].into()),
                also: None,
            })
            .collect(),
    };
    let routes = ComponentRoutes { releases: releases.iter().enumerate().map(release).collect(), ..Default::default() };
    let standing = Arc::new(Standing::new(1));
    let live = Live::new([(&key, &routes)], &Probed::new(), |_| standing.clone());
    live.component(&key).unwrap().clone()
}

fn seeded() -> impl FnMut(usize) -> usize {
    let mut random = fastrand::Rng::with_seed(7);
    move |below| random.usize(..below)
}

#[test]
fn releases_get_their_share() {
    let component = component(&[(95, 1), (5, 1)]);
    let mut chance = seeded();
    let mut pick = || {
        choose((&component, 80), Wish::default(), &[], false, Instant::now(), &mut chance).unwrap().0.id == ReleaseId(2)
    };
    let second = (0..10_000).filter(|_| pick()).count();
    assert!((400..600).contains(&second), "{second} of 10,000");
}

#[test]
fn the_wish_decides_and_a_release_that_is_gone_is_no_wish() {
    let component = component(&[(50, 1), (50, 1), (0, 1)]);
    let mut chance = seeded();
    let mut pick = |wish| choose((&component, 80), wish, &[], false, Instant::now(), &mut chance).unwrap().0.id.0;
    for wanted in [1, 2] {
        let wish = Wish { release: Some(ReleaseId(wanted)), roll: None };
        assert!((0..100).all(|_| pick(wish) == wanted));
    }
    // Weight 0 gets nothing, whoever asks.
    let wish = Wish { release: Some(ReleaseId(3)), roll: None };
    assert!((0..100).all(|_| pick(wish) != 3));
    assert!((0..100).all(|_| pick(Wish { release: None, roll: Some(49) }) == 1));
    assert!((0..100).all(|_| pick(Wish { release: None, roll: Some(50) }) == 2));
}

#[test]
fn another_replica_and_then_another_release_step_in() {
    let component = component(&[(95, 2), (5, 1)]);
    let mut tried = Vec::new();
    for _ in 0..3 {
        let wish = Wish { release: Some(ReleaseId(1)), roll: None };
        let (_, replica) = choose((&component, 80), wish, &tried, false, Instant::now(), &mut seeded()).unwrap();
        tried.push(replica.clone());
    }
    assert_eq!(tried[2].id, "2-0");
    assert!(choose((&component, 80), Wish::default(), &tried, true, Instant::now(), &mut seeded()).is_none());
    let now = Instant::now();
    tried.iter().for_each(|replica| replica.could_not_be_reached(80, now));
    assert!(choose((&component, 80), Wish::default(), &[], false, now, &mut seeded()).is_none());
    assert!(choose((&component, 80), Wish::default(), &[], true, now, &mut seeded()).is_some());
    assert!(choose((&component, 81), Wish::default(), &[], false, now, &mut seeded()).is_some());
}

#[test]
fn of_two_the_less_busy_is_taken() {
    let component = component(&[(100, 2)]);
    let busy = Busy::request(component.releases[0].replicas[0].clone());
    let mut chance = seeded();
    let mut pick =
        || choose((&component, 80), Wish::default(), &[], false, Instant::now(), &mut chance).unwrap().1.id.clone();
    assert!((0..50).all(|_| pick() == "1-1"));
    drop(busy);
    let first = (0..1000).filter(|_| pick() == "1-0").count();
    assert!((400..600).contains(&first), "{first} of 1,000");
}

#[test]
fn cookies_and_headers_are_read() {
    let mut headers = HeaderMap::new();
    headers.append("cookie", "a=1; release=42".parse().unwrap());
    let wish = Wish::of(Some(&Sticky::Cookie("release".into())), &headers);
    assert_eq!(wish.release, Some(ReleaseId(42)));
    assert_eq!(Wish::of(Some(&Sticky::Cookie("elease".into())), &headers), Wish::default());
    headers.insert("x-user", "ada".parse().unwrap());
    let wish = Wish::of(Some(&Sticky::Header("x-user".into())), &headers);
    assert_eq!(wish, Wish::of(Some(&Sticky::Header("X-User".into())), &headers));
    assert!(wish.roll.is_some_and(|roll| roll < 100));
    let mut spread = [0; 4];
    for user in 0..4000 {
        spread[usize::from(roll_of(format!("user-{user}").as_bytes()) / 25)] += 1;
    }
    assert!(spread.iter().all(|count| (850..1150).contains(count)), "{spread:?}");
}
