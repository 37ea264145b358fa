//! The budget, in every order that threads may take.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buttress-retry --test loom --release
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use buttress_retry::{Allowance, Budget};
use loom::thread;

fn budget(saved: u32, reserve: u32) -> Budget {
    Budget::new(Allowance::percent(100).unwrap().saved(saved).reserve(reserve))
}

/// How many retries two threads get out of a budget at once.
fn raced(budget: &Budget) -> usize {
    let other = budget.clone();
    let taker = thread::spawn(move || usize::from(other.take()));
    let here = usize::from(budget.take());
    here + taker.join().unwrap()
}

// RTY-10
#[test]
fn what_was_paid_in_is_taken_out_once() {
    loom::model(|| {
        let budget = budget(10, 0);
        budget.pay_in();
        assert_eq!(raced(&budget), 1);
        assert_eq!(budget.left(), 0);
    });
}

// RTY-11
#[test]
fn paying_in_beside_taking_out_loses_nothing_and_makes_nothing() {
    loom::model(|| {
        let budget = budget(10, 0);
        budget.pay_in();
        let paying = budget.clone();
        let payer = thread::spawn(move || paying.pay_in());
        let taken = raced(&budget);
        payer.join().unwrap();
        assert!(taken >= 1, "one was there before anyone took");
        assert_eq!(taken as u64 + budget.left(), 2);
    });
}

#[test]
fn a_full_budget_gives_no_more_than_it_holds() {
    loom::model(|| {
        let budget = budget(1, 0);
        budget.pay_in();
        budget.pay_in();
        assert_eq!(raced(&budget), 1);
        assert_eq!(budget.left(), 0);
    });
}

// RTY-12
#[test]
fn the_last_of_the_reserve_is_taken_once() {
    loom::model(|| {
        let budget = budget(0, 1);
        assert!((0..9).all(|_| budget.take()));
        assert_eq!(raced(&budget), 1);
    });
}
