//! The memory store, in every order that threads may take.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buttress-idempotency --test loom --release
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use buttress_idempotency::{
    Bid, Capacity, Claim, Effect, Fingerprint, IdempotencyStore, Kept, Lease, MemoryStore, RecordKey, Retention,
    Settled, Settlement, Token,
};
use bytes::Bytes;
use loom::{future::block_on, thread};

const KEY: RecordKey = RecordKey::from_bytes([1; 32]);
const OTHER: RecordKey = RecordKey::from_bytes([2; 32]);

fn store(records: usize) -> MemoryStore {
    MemoryStore::new(Capacity { records: records.try_into().unwrap(), bytes: 100.try_into().unwrap() })
}

fn bid() -> Bid {
    let fingerprint = Fingerprint::from_bytes([1; 32]);
    Bid { fingerprint, effect: Effect::Outside, lease: Lease::default(), retention: Retention::default() }
}

fn claim(store: &MemoryStore, key: RecordKey) -> Claim {
    block_on(store.claim(&key, &bid())).unwrap()
}

fn settle(store: &MemoryStore, token: Token, settlement: Settlement) -> Settled {
    block_on(store.settle(&KEY, token, settlement)).unwrap()
}

fn complete() -> Settlement {
    Settlement::Complete(Kept::Whole(Bytes::from_static(b"answer")))
}

// IDM-7
#[test]
fn of_those_who_claim_at_once_one_wins() {
    loom::model(|| {
        let store = store(10);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let store = store.clone();
                thread::spawn(move || claim(&store, KEY))
            })
            .collect();
        let mut claims = vec![claim(&store, KEY)];
        claims.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Won(_))).count(), 1);
    });
}

// IDM-6: whoever asks beside the end of a run runs nothing, and gets the answer or is told to wait for it.
#[test]
fn a_claim_beside_a_completion_sees_it_before_or_after() {
    loom::model(|| {
        let store = store(10);
        let Claim::Won(token) = claim(&store, KEY) else { panic!("a free key") };
        let asking = store.clone();
        let asker = thread::spawn(move || claim(&asking, KEY));
        assert_eq!(settle(&store, token, complete()), Settled::Now);
        assert!(matches!(asker.join().unwrap(), Claim::Running { .. } | Claim::Replay(_)));
        assert!(matches!(claim(&store, KEY), Claim::Replay(_)));
    });
}

// IDM-9: a release and who takes the key then: the old token opens nothing any more.
#[test]
fn a_run_that_was_released_changes_nothing_of_the_next_one() {
    loom::model(|| {
        let store = store(10);
        let Claim::Won(first) = claim(&store, KEY) else { panic!("a free key") };
        let next = store.clone();
        let second = thread::spawn(move || claim(&next, KEY));
        settle(&store, first, Settlement::Release);
        let late = settle(&store, first, complete());
        assert_eq!(late, Settled::Lost);
        match second.join().unwrap() {
            Claim::Won(token) => {
                assert!(token > first);
                assert!(matches!(claim(&store, KEY), Claim::Running { token: now, .. } if now == token));
            }
            Claim::Running { token, .. } => {
                assert_eq!(token, first);
                assert!(matches!(claim(&store, KEY), Claim::Won(_)));
            }
            other => panic!("{other:?}"),
        }
    });
}

// Who waits is always woken, whenever it began: loom finds it asleep for ever otherwise.
#[test]
fn a_waiter_beside_the_end_of_a_run_is_woken() {
    for purged in [false, true] {
        loom::model(move || {
            let store = store(10);
            let Claim::Won(token) = claim(&store, KEY) else { panic!("a free key") };
            let waiting = store.clone();
            let waiter = thread::spawn(move || block_on(waiting.wait(&KEY, token)).unwrap());
            if purged {
                assert!(block_on(store.purge(&KEY)).unwrap());
            } else {
                settle(&store, token, complete());
            }
            waiter.join().unwrap();
        });
    }
}

// IDM-23
#[test]
fn room_is_made_for_one_of_two_at_once_and_what_runs_stays() {
    loom::model(|| {
        let store = store(1);
        let other = store.clone();
        let thread = thread::spawn(move || claim(&other, OTHER));
        let mine = claim(&store, KEY);
        let theirs = thread.join().unwrap();
        let won = [&mine, &theirs].into_iter().filter(|claim| matches!(claim, Claim::Won(_))).count();
        assert_eq!((won, store.len()), (1, 1), "{mine:?} {theirs:?}");
    });
}
