//! Decisions of the memory store, and the line of a throttle, in every order that threads may take.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buttress-rate-limit --test loom --release
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use buttress_rate_limit::{Act, Asks, Key, MemoryStore, Quota, RateStore, Reply, model::Line};
use loom::thread;

type Buckets = <MemoryStore as RateStore>::Limit;

/// So slow that nothing comes back while the model runs.
fn quota(burst: u32) -> Quota {
    format!("1/day burst {burst}").parse().unwrap()
}

fn decide(store: &MemoryStore, list: &[(&Buckets, u64, Act)], quota: Quota) -> bool {
    let mut asks = Asks::new();
    for (limit, key, act) in list {
        asks.push(*limit, Key::number(*key), quota, *act);
    }
    let Reply::Now(Ok(decision)) = store.decide(&asks) else { panic!("memory answers at once") };
    decision.granted()
}

const ONE: Act = Act::Take { cost: 1, enforced: true };

// RLM-4
#[test]
fn two_threads_never_get_more_than_there_is_and_nothing_is_lost() {
    loom::model(|| {
        let store = MemoryStore::new(2).unwrap();
        let limit = store.open("a");
        let (other, others) = (store.clone(), limit.clone());
        let taker = thread::spawn(move || (0..2).filter(|_| decide(&other, &[(&others, 1, ONE)], quota(3))).count());
        let taken = (0..2).filter(|_| decide(&store, &[(&limit, 1, ONE)], quota(3))).count();
        assert_eq!(taken + taker.join().unwrap(), 3);
    });
}

// RLM-3, RLM-4
#[test]
fn decisions_over_two_limits_in_opposite_orders_are_atomic_and_end() {
    loom::model(|| {
        let store = MemoryStore::new(2).unwrap();
        let (a, b) = (store.open("a"), store.open("b"));
        let (other, c, d) = (store.clone(), a.clone(), b.clone());
        let taker = thread::spawn(move || decide(&other, &[(&d, 1, ONE), (&c, 1, ONE)], quota(1)));
        let taken = decide(&store, &[(&a, 1, ONE), (&b, 1, ONE)], quota(1));
        assert!(taken != taker.join().unwrap(), "one of them, and not none");
        assert!(!decide(&store, &[(&a, 1, ONE)], quota(1)) && !decide(&store, &[(&b, 1, ONE)], quota(1)));
    });
}

// RLM-2
#[test]
fn a_refusal_beside_a_grant_takes_nothing_away() {
    loom::model(|| {
        let store = MemoryStore::new(2).unwrap();
        let (a, full) = (store.open("a"), store.open("full"));
        assert!(decide(&store, &[(&full, 1, ONE)], quota(1)));
        let (other, c, d) = (store.clone(), a.clone(), full.clone());
        let refused = thread::spawn(move || decide(&other, &[(&c, 1, ONE), (&d, 1, ONE)], quota(1)));
        assert!(decide(&store, &[(&a, 1, ONE)], quota(1)), "a refusal was seen half way");
        assert!(!refused.join().unwrap());
    });
}

#[test]
fn refunds_and_charges_beside_each_other_are_all_counted() {
    loom::model(|| {
        let store = MemoryStore::new(2).unwrap();
        let limit = store.open("a");
        decide(&store, &[(&limit, 1, Act::Charge(3))], quota(4));
        let (other, others) = (store.clone(), limit.clone());
        let giver = thread::spawn(move || decide(&other, &[(&others, 1, Act::Refund(2))], quota(4)));
        decide(&store, &[(&limit, 1, Act::Charge(1))], quota(4));
        giver.join().unwrap();
        let left = (0..5).filter(|_| decide(&store, &[(&limit, 1, ONE)], quota(4))).count();
        assert_eq!(left, 2);
    });
}

/// Whether somebody was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A line whose only unit is taken.
fn busy_line() -> Line {
    let line = Line::new(quota(1));
    assert_eq!(line.join(Duration::ZERO).unwrap_err(), true);
    line
}

const PATIENT: Duration = Duration::from_secs(30 * 86_400);

#[test]
fn one_unit_goes_to_one_call() {
    loom::model(|| {
        let line = Line::new(quota(1));
        let other = line.clone();
        let goes = thread::spawn(move || other.join(Duration::ZERO).unwrap_err());
        let went = line.join(Duration::ZERO).unwrap_err();
        assert!(went != goes.join().unwrap(), "one of them, and not none");
    });
}

#[test]
fn who_waits_behind_one_that_leaves_is_first_or_woken() {
    loom::model(|| {
        let line = busy_line();
        let (first, second) = (line.join(PATIENT).unwrap(), line.join(PATIENT).unwrap());
        let leaver = thread::spawn(move || drop(first));
        let woken = Arc::new(Woken::default());
        let is_first = second.is_first(&Waker::from(Arc::clone(&woken)));
        leaver.join().unwrap();
        assert!(is_first || woken.0.load(Ordering::SeqCst), "it would wait for ever");
        assert!(second.is_first(Waker::noop()));
    });
}

#[test]
fn two_that_leave_at_once_wake_the_one_behind_them() {
    loom::model(|| {
        let line = busy_line();
        let [first, second, third] = [(); 3].map(|()| line.join(PATIENT).unwrap());
        let woken = Arc::new(Woken::default());
        assert!(!third.is_first(&Waker::from(Arc::clone(&woken))));
        let leaver = thread::spawn(move || drop(first));
        drop(second);
        leaver.join().unwrap();
        assert!(woken.0.load(Ordering::SeqCst), "it would wait for ever");
        assert!(third.is_first(Waker::noop()));
    });
}

#[test]
fn one_that_comes_while_another_leaves_is_never_forgotten() {
    loom::model(|| {
        let line = busy_line();
        let first = line.join(PATIENT).unwrap();
        let other = line.clone();
        let comer = thread::spawn(move || {
            let (turn, woken) = (other.join(PATIENT).unwrap(), Arc::new(Woken::default()));
            (turn.is_first(&Waker::from(Arc::clone(&woken))), woken, turn)
        });
        drop(first);
        let (is_first, woken, _turn) = comer.join().unwrap();
        assert!(is_first || woken.0.load(Ordering::SeqCst), "it would wait for ever");
    });
}
