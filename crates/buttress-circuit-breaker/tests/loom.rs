//! The state machine, the trials and the successes that threads count by themselves, in every order that threads may take.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buttress-circuit-breaker --test loom --release
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, EventKind, Policy, State, Window};
use http::{Request, Response};
use http_body_util::Empty;
use loom::thread;
use tower::{Layer, Service, service_fn};

type Answer = Response<Empty<bytes::Bytes>>;

fn policy() -> Policy {
    Policy::new(Window::calls(4)).minimum_calls(2).failure_rate(0.5).trials(1).open_for(Duration::from_secs(3_600))
}

/// Makes a call that is answered with this status; what the caller gets.
fn call(layer: &BreakerLayer, status: u16) -> u16 {
    let answer = move |_: Request<()>| -> Ready<Result<Answer, Infallible>> {
        ready(Ok(Response::builder().status(status).body(Empty::new()).unwrap()))
    };
    let mut service = layer.layer(service_fn(answer));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let Poll::Ready(answer) = pin!(service.call(Request::new(()))).poll(&mut cx) else { panic!("answered at once") };
    answer.unwrap().status().as_u16()
}

/// A call that has been let in and goes on for ever, or its refusal.
fn start(layer: &BreakerLayer) -> Option<impl Future + use<>> {
    let hang = |_: Request<()>| std::future::pending::<Result<Answer, Infallible>>();
    let mut service = layer.layer(service_fn(hang));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut future = Box::pin(service.call(Request::new(())));
    future.as_mut().poll(&mut cx).is_pending().then_some(future)
}

/// A call that has been let in; it is answered with this status when what is returned is called.
fn begin(layer: &BreakerLayer, status: u16) -> impl FnOnce() + Send + 'static {
    let answer = move |_: Request<()>| -> Ready<Result<Answer, Infallible>> {
        ready(Ok(Response::builder().status(status).body(Empty::new()).unwrap()))
    };
    let mut service = layer.layer(service_fn(answer));
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let mut began = Box::pin(service.call(Request::new(())));
    move || assert!(began.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready())
}

/// Counts how often the circuit goes there.
fn counting(policy: Policy, state: State) -> (BreakerLayer, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let policy = policy.on_event(move |event| {
        let there = matches!(event.kind, EventKind::Transition { to, .. } if to == state);
        seen.fetch_add(usize::from(there), Ordering::Relaxed);
    });
    (BreakerLayer::new("a", policy).unwrap(), count)
}

// CBK-2: a failure and the success that makes up the minimum: whoever comes second sees the other, on whatever lane.
#[test]
fn the_call_that_makes_up_the_minimum_is_never_missed() {
    loom::model(|| {
        let layer = BreakerLayer::new("a", policy()).unwrap();
        let other = layer.clone();
        let succeeding = thread::spawn(move || call(&other, 200));
        call(&layer, 500);
        succeeding.join().unwrap();
        assert_eq!(layer.circuit().unwrap().state(), State::Open);
    });
}

#[test]
fn no_success_is_lost_beside_a_snapshot() {
    loom::model(|| {
        let layer = BreakerLayer::new("a", policy()).unwrap();
        let other = layer.clone();
        let succeeding = thread::spawn(move || (call(&other, 200), call(&other, 200)));
        let seen = layer.circuit().unwrap().snapshot().calls;
        assert!(seen <= 2);
        succeeding.join().unwrap();
        assert_eq!(layer.circuit().unwrap().snapshot().calls, 2);
    });
}

// CBK-14
#[test]
fn two_failures_at_once_open_it_once() {
    loom::model(|| {
        let (layer, opened) = counting(policy(), State::Open);
        let other = layer.clone();
        let failing = thread::spawn(move || call(&other, 500));
        call(&layer, 500);
        failing.join().unwrap();
        assert_eq!(layer.circuit().unwrap().state(), State::Open);
        assert_eq!(opened.load(Ordering::Relaxed), 1);
    });
}

// CBK-5
#[test]
fn one_of_two_gets_the_only_trial() {
    loom::model(|| {
        let layer = BreakerLayer::new("a", policy().initial(State::HalfOpen)).unwrap();
        let other = layer.clone();
        let asking = thread::spawn(move || start(&other));
        let mine = start(&layer);
        let theirs = asking.join().unwrap();
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(layer.circuit().unwrap().snapshot().trials_running, 1);
    });
}

// CBK-6
#[test]
fn a_trial_that_is_dropped_gives_its_place_to_the_next() {
    loom::model(|| {
        let layer = BreakerLayer::new("a", policy().initial(State::HalfOpen)).unwrap();
        let trial = start(&layer).unwrap();
        let other = layer.clone();
        let asking = thread::spawn(move || drop(start(&other)));
        drop(trial);
        asking.join().unwrap();
        assert_eq!(call(&layer, 200), 200);
        assert_eq!(layer.circuit().unwrap().state(), State::Closed);
    });
}

// CBK-7: what began before a reset is not in the window after it, whichever is first.
#[test]
fn a_reset_beside_a_result_leaves_nothing_of_it() {
    for status in [200, 500] {
        loom::model(move || {
            let layer = BreakerLayer::new("a", policy()).unwrap();
            let circuit = layer.circuit().unwrap();
            // It was let in before the reset.
            let ending = thread::spawn(begin(&layer, status));
            circuit.reset();
            ending.join().unwrap();
            assert_eq!(circuit.snapshot().calls, 0);
            // And what begins now is.
            call(&layer, 200);
            assert_eq!(circuit.snapshot().calls, 1);
        });
    }
}

// A result is either told or, once nobody has the circuit any more, of no use; both let go of it.
#[test]
fn a_circuit_may_end_beside_the_result_of_a_call() {
    for status in [200, 500] {
        loom::model(move || {
            let told = Arc::new(AtomicUsize::new(0));
            let seen = told.clone();
            let policy = policy().on_event(move |event| {
                let failed = matches!(event.kind, EventKind::Failure { .. });
                seen.fetch_add(usize::from(failed), Ordering::Relaxed);
            });
            let layer = BreakerLayer::new("a", policy).unwrap();
            let ending = thread::spawn(begin(&layer, status));
            drop(layer);
            ending.join().unwrap();
            assert!(told.load(Ordering::Relaxed) <= usize::from(status == 500));
            assert_eq!(Arc::strong_count(&told), 1, "the circuit is gone, and its hook");
        });
    }
}

// CBK-7: its lanes go to another, which stands as the first did.
#[test]
fn a_result_of_a_circuit_that_is_gone_is_never_that_of_the_next() {
    for status in [200, 500] {
        loom::model(move || {
            let layer = BreakerLayer::new("a", policy()).unwrap();
            let ending = thread::spawn(begin(&layer, status));
            drop(layer);
            let next = BreakerLayer::new("b", policy()).unwrap();
            call(&next, 200);
            ending.join().unwrap();
            let seen = next.circuit().unwrap().snapshot();
            assert_eq!((seen.calls, seen.failures), (1, 0));
        });
    }
}
