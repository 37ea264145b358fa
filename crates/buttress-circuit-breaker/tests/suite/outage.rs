//! A whole outage, on many threads and in virtual time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use buttress_circuit_breaker::{EventKind, Policy, State, Window};
use tokio::time::{Instant, advance};

use crate::common::{S, Stack, Told, status};

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_costs_few_calls_and_recovery_takes_one_cool_down() {
    let told = Told::default();
    let stack = Stack::new(told.by(Policy::new(Window::time(10 * S)).trials(3)));
    let began = Instant::now();
    let mut asked = 0;
    let mut back = None;
    while began.elapsed() < 100 * S {
        let at = began.elapsed();
        let down = (20 * S..80 * S).contains(&at);
        let before = stack.provider.calls();
        let answer = stack.call(status(if down { 503 } else { 200 })).await.unwrap();
        let reached = stack.provider.calls() > before;
        asked += u64::from(down && reached);
        if at >= 80 * S && reached && stack.circuit().state() == State::Closed {
            back.get_or_insert(at);
            assert_eq!(answer.status(), 200);
        }
        advance(S / 100).await;
    }
    // As many failures as make up half of the window, and then one trial each cool-down.
    assert!((500..510).contains(&asked), "{asked} calls reached it while it was down");
    assert!(back.unwrap() <= 90 * S, "it came back after {back:?}");
    let transitions = told.take().into_iter().filter(|kind| matches!(kind, EventKind::Transition { .. })).count();
    assert!((13..=17).contains(&transitions), "{transitions} transitions");
}

#[test]
fn threads_lose_no_result_and_open_once() {
    let opened = Arc::new(AtomicU64::new(0));
    let counts = opened.clone();
    let policy = Policy::new(Window::calls(100_000)).minimum_calls(8_000).failure_rate(1.0).on_event(move |event| {
        let opens = matches!(event.kind, EventKind::Transition { to: State::Open, .. });
        counts.fetch_add(u64::from(opens), Ordering::Relaxed);
    });
    let stack = Arc::new(Stack::new(policy));
    let threads = (0..4).map(|_| {
        let stack = stack.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for _ in 0..2_000 {
                    let _ = stack.call(status(500)).await;
                }
            });
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((opened.load(Ordering::Relaxed), stack.circuit().state()), (1, State::Open));
}

#[test]
fn threads_lose_no_success() {
    let stack = Arc::new(Stack::new(Policy::new(Window::calls(100_000)).failure_rate(1.0)));
    let threads = (0..8).map(|thread| {
        let stack = stack.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for call in 0..1_000 {
                    let failed = thread == 0 && call % 50 == 0;
                    let _ = stack.call(status(if failed { 500 } else { 200 })).await;
                }
            });
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.calls, snapshot.failures), (8_000, 20));
}
