//! A half-open circuit.

use std::time::Duration;

use buttress_circuit_breaker::{CIRCUIT_OPEN, Policy, Refusal, State, Verdict};
use buttress_core::Problem;
use tokio::time::advance;

use crate::common::{S, Stack, policy, status};

async fn half_open(policy: Policy) -> Stack {
    let stack = Stack::new(policy);
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    advance(10 * S).await;
    stack
}

// CBK-5
#[tokio::test(start_paused = true)]
async fn exactly_the_permitted_number_runs_at_once() {
    for trials in [1, 2, 7] {
        let stack = half_open(policy().trials(trials)).await;
        let before = stack.provider.calls();
        let running: Vec<_> = (0..trials).map(|_| stack.start()).collect();
        for _ in 0..20 {
            let answer = stack.ask().await.unwrap();
            assert_eq!(answer.status(), 503);
            let refusal = answer.extensions().get::<Refusal>().unwrap();
            assert_eq!((refusal.state, refusal.remaining), (State::HalfOpen, None));
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        assert_eq!(stack.provider.calls() - before, trials as usize);
        for (ended, trial) in running.into_iter().enumerate() {
            assert_eq!(stack.circuit().snapshot().calls, ended as u64);
            trial.end(status(200)).await.unwrap();
        }
        assert_eq!(stack.circuit().state(), State::Closed);
    }
}

// CBK-5: a trial that has ended keeps its place until it is decided
#[tokio::test(start_paused = true)]
async fn the_places_are_for_all_trials_and_not_for_those_that_run() {
    let stack = half_open(policy().trials(3)).await;
    let first = stack.start();
    first.end(status(200)).await.unwrap();
    let (_second, _third) = (stack.start(), stack.start());
    assert_eq!(stack.ask().await.unwrap().status(), 503);
}

// CBK-6
#[tokio::test(start_paused = true)]
async fn a_trial_that_says_nothing_gives_its_place_back() {
    let ignores = |status: http::StatusCode| if status == 418 { Verdict::Ignore } else { Verdict::Success };
    let stack = half_open(policy().trials(1)).await;
    drop(stack);
    let stack = Stack::new(policy().trials(1).statuses(ignores).initial(State::HalfOpen));
    for _ in 0..10 {
        assert_eq!(stack.call(status(418)).await.unwrap().status(), 418);
    }
    assert_eq!(stack.circuit().snapshot().trials_running, 0);
    let _ = stack.call(status(200)).await;
    assert_eq!(stack.circuit().state(), State::Closed);
}

// CBK-8
#[tokio::test(start_paused = true)]
async fn a_refusal_says_how_long_the_circuit_will_be_open() {
    let stack = Stack::new(policy());
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    advance(Duration::from_millis(3_300)).await;
    let calls = stack.provider.calls();
    let answer = stack.ask().await.unwrap();
    assert_eq!(stack.provider.calls(), calls);
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &http::HeaderValue::from(7)));
    let problem = answer.extensions().get::<Problem>().unwrap();
    assert_eq!((problem.code(), problem.layer()), (CIRCUIT_OPEN, Some("circuit_breaker")));
    assert_eq!(problem.delay(), Some(Duration::from_millis(6_700)));
    assert!(problem.retryable());
    let refusal = answer.extensions().get::<Refusal>().unwrap();
    assert_eq!((&*refusal.name, refusal.state), ("provider", State::Open));
    assert_eq!(refusal.remaining, problem.delay());
    // It is no failure of the service.
    assert_eq!(stack.circuit().snapshot().calls, 0);
}

// CBK-8: a breaker above another does not count its refusals
#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_layer_below_is_not_counted() {
    use buttress_circuit_breaker::BreakerLayer;
    use http::Request;
    use tower::{Layer, ServiceExt};

    let stack = Stack::new(policy());
    let outer = BreakerLayer::new("outer", policy()).unwrap();
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    for _ in 0..20 {
        let answer = outer.layer(stack.service.clone()).oneshot(Request::new(())).await.unwrap();
        assert_eq!(answer.status(), 503);
    }
    let snapshot = outer.circuit().unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.calls), (State::Closed, 0));
}
