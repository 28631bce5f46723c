use super::*;
use crate::model::CommitStatus;
use crate::model::StatusState::{self, *};
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_785_000_000 + seconds).unwrap()
}

fn entry(id: i64, commit: char, context: &str, state: StatusState) -> Entry {
    Entry {
        id,
        project: ProjectName::new("shop").unwrap(),
        status: CommitStatus {
            commit: CommitId::new(commit.to_string().repeat(40)).unwrap(),
            context: context.into(),
            state,
            description: format!("words {id}"),
            target_url: None,
            reference: None,
        },
        attempts: 0,
        not_before: at(0),
        sending: false,
    }
}

#[test]
fn one_unsent_pending_is_kept_overwritten_by_a_newer_one() {
    let entries = [entry(1, 'a', "p", Pending), entry(2, 'a', "p", Pending), entry(3, 'a', "p", Pending)];
    assert_eq!(round(&entries, at(0)), Round { drop: vec![1, 2], send: vec![3], look_again: None });
}

#[test]
fn a_final_that_waits_drops_the_stale_pending_before_it() {
    let mut entries = [entry(1, 'a', "p", Pending), entry(2, 'a', "p", Success)];
    // Also one that was put off for an hour because the forge was away.
    entries[0].not_before = at(3600);
    assert_eq!(round(&entries, at(0)), Round { drop: vec![1], send: vec![2], look_again: None });
}

#[test]
fn finals_are_never_dropped_and_go_in_order() {
    let mut entries = vec![entry(1, 'a', "p", Failure), entry(2, 'a', "p", Pending), entry(3, 'a', "p", Success)];
    assert_eq!(round(&entries, at(0)), Round { drop: vec![2], send: vec![1], look_again: None });
    entries[0].not_before = at(60);
    // The newer final waits behind the older one.
    assert_eq!(round(&entries, at(0)), Round { drop: vec![2], send: vec![], look_again: Some(at(60)) });
}

#[test]
fn a_commit_gets_one_call_at_a_time_but_contexts_do_not_wait_for_each_others_backoff() {
    let mut entries = vec![entry(1, 'a', "p", Pending), entry(2, 'a', "q", Success), entry(3, 'b', "p", Pending)];
    assert_eq!(round(&entries, at(0)).send, [2, 3], "the final of a commit goes first");
    entries[1].sending = true;
    assert_eq!(round(&entries, at(0)).send, [3]);
    entries[1].sending = false;
    entries[1].not_before = at(9);
    assert_eq!(round(&entries, at(0)), Round { drop: vec![], send: vec![1, 3], look_again: Some(at(9)) });
}

#[test]
fn a_pending_under_way_is_not_dropped_and_what_follows_waits_for_it() {
    let mut entries = [entry(1, 'a', "p", Pending), entry(2, 'a', "p", Success)];
    entries[0].sending = true;
    assert_eq!(round(&entries, at(0)), Round::default());
    entries[0].sending = false;
    assert_eq!(round(&entries, at(0)), Round { drop: vec![1], send: vec![2], look_again: None });
}

#[test]
fn projects_of_one_repository_do_not_drop_each_others_statuses() {
    let mut entries = [entry(1, 'a', "p", Pending), entry(2, 'a', "p", Success)];
    entries[1].project = ProjectName::new("other").unwrap();
    assert_eq!(round(&entries, at(0)), Round { drop: vec![], send: vec![2, 1], look_again: None });
}

#[test]
fn backs_off_from_a_second_to_ten_minutes() {
    let seconds: Vec<u64> = (1..=12).map(|attempt| backoff(attempt, None, 1.0).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    assert_eq!(backoff(u32::MAX, None, 0.0), Duration::from_secs(450));
    let slow: Vec<u64> = (1..=10).map(|attempt| slow_backoff(attempt, 1.0).as_secs() / 60).collect();
    assert_eq!(slow, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
}

#[test]
fn what_the_forge_asks_for_is_honoured() {
    let asked = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(backoff(1, asked(17), 0.0), Duration::from_secs(17));
    assert_eq!(backoff(9, asked(3600), 0.0), Duration::from_secs(3600));
    assert_eq!(backoff(1, asked(0), 1.0), Duration::from_secs(1), "a forge that asks for nothing is not hammered");
    assert_eq!(backoff(30, asked(2), 1.0), Duration::from_secs(60));
    assert_eq!(backoff(1, asked(u64::MAX), 0.0), Duration::from_secs(24 * 3600));
}

#[test]
fn only_a_refusal_ends_the_tries() {
    let why = || "because".to_string();
    let refused = PostError::Refused { why: why() };
    assert_eq!(after_failure(&refused, false, 1, 0.5), Next::GiveUp);
    // A final gets another chance, but not for ever.
    assert!(matches!(after_failure(&refused, true, 1, 0.5), Next::Again { .. }));
    assert_eq!(after_failure(&refused, true, REFUSED_FINAL, 0.5), Next::GiveUp);
    assert_eq!(
        after_failure(&PostError::Denied { why: why() }, true, 1, 1.0),
        Next::Again { after: Duration::from_secs(60), tell_operator: true }
    );
    assert_eq!(
        after_failure(&PostError::Retry { after: None, why: why() }, true, 3, 1.0),
        Next::Again { after: Duration::from_secs(4), tell_operator: false }
    );
    assert_eq!(due(at(0), Duration::from_secs(4)), at(4));
    assert_eq!(due(at(0), Duration::MAX), Timestamp::MAX);
}

fn any_state() -> impl Strategy<Value = StatusState> {
    prop_oneof![2 => Just(Pending), 1 => Just(Success), 1 => Just(Failure)]
}

proptest! {
    #[test]
    fn no_wait_undercuts_what_was_asked(attempt in 0u32..80, asked in 0u64..86_400, jitter in 0.0..=1.0f64) {
        let asked = Duration::from_secs(asked);
        prop_assert!(backoff(attempt, Some(asked), jitter) >= asked);
    }

    /// A forge that fails now and then: at the end it shows, for each context, the last thing said of it; it got every
    /// final, in order; and nothing is left.
    #[test]
    fn whatever_fails_the_last_word_arrives_and_every_final_in_order(
        said in prop::collection::vec((0usize..2, 0usize..2, any_state()), 1..30),
        fails in prop::collection::vec(any::<bool>(), 0..60),
        said_between in 1usize..5,
    ) {
        let mut fails = fails.into_iter();
        let mut to_say = said.iter().enumerate().map(|(id, (commit, context, state))| {
            entry(id as i64, ['a', 'b'][*commit], ["p", "q"][*context], *state)
        }).collect::<Vec<_>>().into_iter();
        let all: Vec<Entry> = to_say.clone().collect();
        let mut outbox: Vec<Entry> = Vec::new();
        let mut arrived: Vec<Entry> = Vec::new();
        let mut now = at(0);
        for _ in 0..2000 {
            outbox.extend(to_say.by_ref().take(said_between));
            let round = round(&outbox, now);
            outbox.retain(|entry| !round.drop.contains(&entry.id));
            for id in round.send {
                let index = outbox.iter().position(|entry| entry.id == id).unwrap();
                if fails.next().unwrap_or(false) {
                    let entry = &mut outbox[index];
                    entry.attempts += 1;
                    entry.not_before = due(now, backoff(entry.attempts, None, 0.5));
                } else {
                    arrived.push(outbox.remove(index));
                }
            }
            match round.look_again {
                Some(at) => now = now.max(at),
                None if outbox.is_empty() && to_say.len() == 0 => break,
                None => {}
            }
            now = due(now, Duration::from_millis(100));
        }
        prop_assert!(outbox.is_empty(), "left: {outbox:?}");
        for commit in ['a', 'b'] {
            for context in ["p", "q"] {
                let of = |entries: &[Entry], finals: bool| -> Vec<i64> {
                    let same = |e: &&Entry| e.status.context == context && e.status.commit.as_str().starts_with(commit);
                    entries.iter().filter(same).filter(|e| !finals || e.status.state.is_final()).map(|e| e.id).collect()
                };
                prop_assert_eq!(of(&arrived, true), of(&all, true));
                prop_assert_eq!(of(&arrived, false).last().copied(), of(&all, false).last().copied());
                prop_assert!(of(&arrived, false).is_sorted());
            }
        }
    }
}
