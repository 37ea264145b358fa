//! What rivals were measured to do, and this does not.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, Cancelled, Policy, State, Window};
use http::{Request, Response};
use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::common::{Provider, Refused, S, Script, Stack, Then, policy, status};

async fn open(stack: &Stack) {
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    assert_eq!(stack.circuit().state(), State::Open);
}

// D1: tower-resilience-circuitbreaker 0.14 opened after as many failures as there had been successes.
#[tokio::test]
async fn a_count_window_slides_however_many_successes_came_before() {
    for successes in [10, 100, 1_000, 10_000] {
        let stack = Stack::new(Policy::new(Window::calls(10)).minimum_calls(10));
        for _ in 0..successes {
            let _ = stack.call(status(200)).await;
        }
        let mut failures = 0;
        while stack.circuit().state() == State::Closed {
            let _ = stack.call(status(500)).await;
            failures += 1;
        }
        assert_eq!(failures, 5, "after {successes} successes");
    }
}

// D2, CBK-7: tower-resilience-circuitbreaker 0.14 closed on a success that had begun before it opened.
#[tokio::test(start_paused = true)]
async fn a_success_that_began_when_closed_does_not_close_a_half_open_circuit() {
    let stack = Stack::new(policy());
    let slow = [stack.start(), stack.start()];
    open(&stack).await;
    advance(10 * S).await;
    let trial = stack.start();
    assert_eq!(stack.circuit().state(), State::HalfOpen);
    for slow in slow {
        slow.end(status(200)).await.unwrap();
    }
    assert_eq!(stack.circuit().state(), State::HalfOpen);
    assert_eq!(stack.circuit().snapshot().trials_running, 1);
    trial.end(status(200)).await.unwrap();
    assert_eq!(stack.circuit().snapshot().calls, 1);
}

// D3, CBK-6: tower-resilience-circuitbreaker 0.14 refused for ever once a trial hung.
#[tokio::test(start_paused = true)]
async fn a_trial_that_hangs_loses_its_place() {
    let stack = Stack::new(policy().trials(1).trial_lease(30 * S));
    open(&stack).await;
    advance(10 * S).await;
    let hung = stack.start();
    advance(Duration::from_millis(29_999)).await;
    assert_eq!(stack.call(status(200)).await.unwrap().status(), 503);
    advance(Duration::from_millis(1)).await;
    assert_eq!(stack.call(status(200)).await.unwrap().status(), 200);
    assert_eq!(stack.circuit().state(), State::Closed);
    // And what it says in the end does not matter.
    let _ = hung.end(Then::Fail).await;
    assert_eq!(stack.circuit().snapshot().calls, 0);
}

// D3: the result of a trial that has lost its place counts for nothing, while others try.
#[tokio::test(start_paused = true)]
async fn a_trial_that_comes_too_late_does_not_open_the_circuit_again() {
    let stack = Stack::new(policy().trial_lease(30 * S));
    open(&stack).await;
    advance(10 * S).await;
    let hung = stack.start();
    advance(30 * S).await;
    let _ = hung.end(Then::Fail).await;
    assert_eq!(stack.circuit().state(), State::HalfOpen);
    let _ = stack.call(status(200)).await;
    let _ = stack.call(status(200)).await;
    assert_eq!(stack.circuit().state(), State::Closed);
}

// D4: tower-resilience-circuitbreaker 0.14 counted none of 100 calls that an outer time-out cut.
#[tokio::test(start_paused = true)]
async fn calls_cut_by_an_outer_time_out_are_counted() {
    let stack = Stack::new(policy());
    for _ in 0..4 {
        stack.provider.next(Then::Never);
        assert!(timeout(10 * S, stack.ask()).await.is_err());
    }
    assert_eq!(stack.circuit().state(), State::Open);
}

// D4: by choice
#[tokio::test(start_paused = true)]
async fn or_they_are_not_if_the_policy_says_so() {
    let stack = Stack::new(policy().cancelled(Cancelled::Ignored));
    for _ in 0..100 {
        stack.provider.next(Then::Never);
        assert!(timeout(10 * S, stack.ask()).await.is_err());
    }
    assert_eq!(stack.circuit().snapshot().calls, 0);
}

// D5, CBK-9: tower-resilience-circuitbreaker 0.14 stayed closed after 20 panics.
#[tokio::test]
async fn panics_are_failures_and_go_on() {
    for panic in [|| Then::Panic, || Then::PanicInCall] {
        let stack = Stack::new(policy());
        for _ in 0..4 {
            stack.provider.next(panic());
            let mut service = stack.service.clone();
            let call = tokio::spawn(async move { service.ready().await.unwrap().call(Request::new(())).await });
            assert!(call.await.unwrap_err().is_panic());
        }
        assert_eq!(stack.circuit().state(), State::Open);
        assert_eq!(stack.provider.calls(), 4);
    }
}

// D6, CBK-3: tower-resilience-circuitbreaker 0.14 took 41 µs a call with 50 000 calls in its window, all of them kept.
// That time is in the benchmarks; here, that the window holds them all and yet knows them only by their number.
#[tokio::test(start_paused = true)]
async fn a_time_window_of_many_calls_still_slides_to_the_second() {
    let stack = Stack::new(Policy::new(Window::time(10 * S)).minimum_calls(1).failure_rate(0.5));
    for _ in 0..10 {
        for _ in 0..500 {
            let _ = stack.call(status(200)).await;
        }
        advance(S).await;
    }
    assert_eq!(stack.circuit().snapshot().calls, 4_500);
    advance(9 * S).await;
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.calls, snapshot.state), (0, State::Closed));
}

// D14: throttle-kit 2.1.2 called a clone that had not been asked for readiness.
#[tokio::test]
async fn it_calls_the_instance_that_it_polled() {
    let layer = BreakerLayer::new("provider", policy()).unwrap();
    let mut service = ServiceBuilder::new().layer(layer).concurrency_limit(1).service(Provider::default());
    for _ in 0..10 {
        // `ConcurrencyLimit` panics if it is called without a permit.
        let _ = service.ready().await.unwrap().call(Request::new(())).await;
        let _ = service.clone().oneshot(Request::new(())).await;
    }
}

// D20, CBK-7: seatbelt 0.11 opened a healthy circuit over failures from before it had opened the first time.
#[tokio::test(start_paused = true)]
async fn failures_that_began_before_it_opened_do_not_open_it_again() {
    let stack = Stack::new(policy());
    let late: Vec<_> = (0..5).map(|_| stack.start()).collect();
    open(&stack).await;
    advance(10 * S).await;
    let _ = stack.call(status(200)).await;
    let _ = stack.call(status(200)).await;
    assert_eq!(stack.circuit().state(), State::Closed);
    for late in late {
        let _ = late.end(status(500)).await;
    }
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.state, snapshot.calls), (State::Closed, 0));
}

// D33, CBK-6: noxy 0.0.7 lost the place of a trial that was cancelled, and did not count one that ended with an error.
#[tokio::test(start_paused = true)]
async fn a_trial_that_is_cancelled_gives_its_place_back_and_an_error_counts() {
    let stack = Stack::new(policy().trials(1));
    open(&stack).await;
    advance(10 * S).await;
    drop(stack.start());
    let again = stack.start();
    assert_eq!(stack.call(status(200)).await.unwrap().status(), 503);
    again.end(Then::Fail).await.unwrap_err();
    assert_eq!(stack.circuit().state(), State::Open);
}

// D35: api-bones-tower 4.5.1 panicked when the inner service gave an error in place of its readiness.
#[tokio::test]
async fn an_error_of_readiness_is_passed_on() {
    struct Dead;

    impl Service<Request<()>> for Dead {
        type Response = Response<Script>;
        type Error = Refused;
        type Future = std::future::Pending<Result<Self::Response, Refused>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
            Poll::Ready(Err(Refused))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }

    let layer = BreakerLayer::new("provider", policy()).unwrap();
    let mut service = layer.layer(Dead);
    for _ in 0..10 {
        assert_eq!(service.ready().await.err(), Some(Refused));
    }
    // It belongs to no call.
    assert_eq!(layer.circuit().unwrap().snapshot().calls, 0);
}
