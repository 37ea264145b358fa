//! Control by hand.

use buttress_circuit_breaker::{BreakerLayer, State};
use http::Request;
use tokio::time::advance;
use tower::{Layer, ServiceExt};

use crate::common::{Provider, S, Stack, Then, policy, status};

const ALL: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

// CBK-12, CBK-1, CBK-16: from each state to each, as Resilience4j allows
#[tokio::test]
async fn only_legal_transitions_are_made() {
    for from in ALL {
        for to in ALL {
            let stack = Stack::new(policy().initial(from));
            assert_eq!(stack.circuit().state(), from);
            let legal = !matches!(
                (from, to),
                (State::Closed, State::HalfOpen) | (State::MetricsOnly, State::Open | State::HalfOpen)
            );
            let result = stack.circuit().become_state(to);
            assert_eq!((result.is_ok(), from.may_become(to)), (legal, legal), "{from} to {to}");
            assert_eq!(stack.circuit().state(), if legal { to } else { from });
            if let Err(refused) = result {
                assert_eq!((refused.from(), refused.to()), (from, to));
                assert_eq!(refused.to_string(), format!("a circuit that is {from} cannot become {to}"));
            }
        }
    }
}

// CBK-12
#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_open_by_force_stays_so() {
    let stack = Stack::new(policy());
    stack.circuit().become_state(State::ForcedOpen).unwrap();
    advance(100_000 * S).await;
    let answer = stack.ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &http::HeaderValue::from(10)));
    assert_eq!((stack.provider.calls(), stack.circuit().state()), (0, State::ForcedOpen));
    assert_eq!(stack.circuit().snapshot().remaining, None);
}

// CBK-12
#[tokio::test]
async fn a_disabled_circuit_counts_nothing_and_one_for_metrics_never_opens() {
    for (state, calls) in [(State::Disabled, 0), (State::MetricsOnly, 10)] {
        let stack = Stack::new(policy().initial(state));
        for _ in 0..20 {
            assert_eq!(stack.call(status(500)).await.unwrap().status(), 500);
        }
        let snapshot = stack.circuit().snapshot();
        assert_eq!((snapshot.state, snapshot.calls, snapshot.failures), (state, calls, calls));
    }
}

// CBK-12, CBK-7
#[tokio::test]
async fn reset_forgets_everything_that_has_begun() {
    let stack = Stack::new(policy());
    let running = stack.start();
    for _ in 0..3 {
        let _ = stack.call(status(500)).await;
    }
    assert_eq!(stack.circuit().snapshot().failures_in_a_row, 3);
    stack.circuit().reset();
    let _ = running.end(Then::Fail).await;
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.state, snapshot.calls, snapshot.failures_in_a_row), (State::Closed, 0, 0));
    assert_eq!((snapshot.failure_rate(), snapshot.slow_rate()), (None, None));
}

// CBK-12
#[tokio::test(start_paused = true)]
async fn opened_by_hand_it_finds_out_as_usual() {
    let stack = Stack::new(policy());
    stack.circuit().become_state(State::Open).unwrap();
    assert_eq!(stack.circuit().snapshot().remaining, Some(10 * S));
    advance(10 * S).await;
    assert_eq!(stack.circuit().snapshot().remaining, Some(std::time::Duration::ZERO));
    let _ = stack.call(status(200)).await;
    let _ = stack.call(status(200)).await;
    assert_eq!(stack.circuit().state(), State::Closed);
}

#[tokio::test]
async fn off_it_is_not_there() {
    let layer = BreakerLayer::off();
    let provider = Provider::default();
    for _ in 0..50 {
        provider.next(Then::Fail);
        assert!(layer.layer(provider.clone()).oneshot(Request::new(())).await.is_err());
    }
    assert!(layer.circuit().is_none());
    assert_eq!((layer.circuits().snapshots().len(), provider.calls()), (0, 50));
}

// CBK-13
#[tokio::test]
async fn a_closure_over_errors_and_a_type_over_answers_decide() {
    use buttress_circuit_breaker::{Classify, Verdict};
    use http::Response;

    use crate::common::Refused;

    #[derive(Clone)]
    struct Own;

    impl Classify<Refused> for Own {
        fn answer<B>(&self, answer: &Response<B>) -> Option<Verdict> {
            answer.headers().contains_key("x-stale").then_some(Verdict::Failure)
        }
    }

    let provider = Provider::default();
    let ignoring = BreakerLayer::new("a", policy()).unwrap().classify(|_: &Refused| Verdict::Ignore);
    let own = BreakerLayer::new("b", policy()).unwrap().classify(Own);
    provider.next(Then::Fail);
    let _ = ignoring.layer(provider.clone()).oneshot(Request::new(())).await;
    assert_eq!(ignoring.circuit().unwrap().snapshot().calls, 0);
    let stale = Response::builder().header("x-stale", "1").body(crate::common::script(&[])).unwrap();
    provider.next(Then::Answer(stale)).next(Then::Fail).next(status(404));
    for _ in 0..3 {
        let answer = own.layer(provider.clone()).oneshot(Request::new(())).await;
        drop(answer);
    }
    let snapshot = own.circuit().unwrap().snapshot();
    assert_eq!((snapshot.calls, snapshot.failures, snapshot.local_failures), (3, 2, 1));
}
