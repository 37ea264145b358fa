//! What is left of a call that is dropped: at each poll, in each state.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, Cancelled, Policy, State};
use http::{Request, Response};
use http_body::Body;
use tokio::{runtime::Builder, time::advance};
use tower::{Layer, Service, service_fn};

use crate::common::{Broken, S, Script, Stack, Step, Then, policy, script, status};

/// Answers at the third poll.
async fn third() -> Result<Response<Script>, Broken> {
    let mut polls = 0;
    poll_fn(|_| {
        polls += 1;
        if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Ok(Response::new(script(&[Step::Data("a"), Step::Pending, Step::Data("b")])))
}

/// Drops a call after so many polls of its future, and of its body after that. Whether it came to its end.
fn drop_after(layer: &BreakerLayer, polls: usize) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut service = layer.layer(service_fn(|_: Request<()>| Box::pin(third())));
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut future = Box::pin(service.call(Request::new(())));
    let mut body = None;
    for _ in 0..polls {
        match &mut body {
            None => {
                if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
                    body = Some(answer.unwrap().into_body());
                }
            }
            Some(body) => {
                if let Poll::Ready(None) = Pin::new(body).poll_frame(&mut cx) {
                    return true;
                }
            }
        }
    }
    false
}

// CBK-6
#[test]
fn a_trial_gives_its_place_back_wherever_it_is_dropped() {
    for polls in 0..9 {
        let layer = BreakerLayer::new("a", policy().trials(1).initial(State::HalfOpen)).unwrap();
        let ended = drop_after(&layer, polls);
        let snapshot = layer.circuit().unwrap().snapshot();
        assert_eq!(snapshot.trials_running, 0, "after {polls} polls");
        // From the head on it was a success, whoever stopped reading.
        let expected = if polls < 3 { State::HalfOpen } else { State::Closed };
        assert_eq!(snapshot.state, expected, "after {polls} polls");
        assert_eq!(ended, polls >= 7, "after {polls} polls");
    }
}

#[test]
fn a_call_counts_at_most_once_wherever_it_is_dropped() {
    let layer = BreakerLayer::new("a", policy()).unwrap();
    let circuit = layer.circuit().unwrap();
    for polls in 0..9 {
        let before = circuit.snapshot().calls;
        drop_after(&layer, polls);
        assert_eq!(circuit.snapshot().calls - before, u64::from(polls >= 3), "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_a_failure_once_it_has_waited_for_long() {
    for (waited, failures) in [(4_999, 0), (5_000, 1)] {
        let stack = Stack::new(policy());
        let call = stack.start();
        advance(Duration::from_millis(waited)).await;
        drop(call);
        assert_eq!(stack.circuit().snapshot().local_failures, failures, "after {waited} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_from_its_first_poll_on() {
    for (policy, polled) in [(policy(), false), (policy(), true), (policy().slow_calls(S, 1.0), false)] {
        let stack = Stack::new(policy);
        stack.provider.next(Then::Never);
        let mut cx = Context::from_waker(Waker::noop());
        let mut service = stack.service.clone();
        assert!(Service::<Request<()>>::poll_ready(&mut service, &mut cx).is_ready());
        let mut call = Box::pin(service.call(Request::new(())));
        advance(60 * S).await;
        assert!(!polled || call.as_mut().poll(&mut cx).is_pending());
        drop(call);
        assert_eq!(stack.circuit().snapshot().calls, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_after_long_opens_the_circuit() {
    let stack = Stack::new(policy().initial(State::HalfOpen).cancelled(Cancelled::FailureAfter(2 * S)));
    let call = stack.start();
    advance(2 * S).await;
    drop(call);
    assert_eq!(stack.circuit().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_that_is_dropped_and_counts_is_slow() {
    let policy: Policy = policy().slow_calls(S, 1.0).cancelled(Cancelled::FailureAfter(Duration::ZERO));
    let stack = Stack::new(policy);
    let call = stack.start();
    advance(2 * S).await;
    drop(call);
    drop(stack.start());
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.failures, snapshot.slow_calls), (2, 1));
}

// Where a test has paused the clock, those outside of it are behind.
#[test]
fn a_call_that_ends_before_it_began_took_no_time() {
    let paused = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let stack = Stack::new(policy().slow_calls(S, 1.0));
    let calls = paused().block_on(async {
        advance(3_600 * S).await;
        [stack.start(), stack.start()]
    });
    let [dropped, ended] = calls;
    drop(dropped);
    paused().block_on(ended.end(status(200))).unwrap();
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.calls, snapshot.failures, snapshot.slow_calls), (1, 0, 0));
}

#[tokio::test]
async fn a_refusal_that_is_dropped_leaves_nothing() {
    let stack = Stack::new(policy().initial(State::ForcedOpen));
    stack.provider.next(Then::Never);
    let mut service = stack.service.clone();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Service::<Request<()>>::poll_ready(&mut service, &mut cx).is_ready());
    drop(service.call(Request::new(())));
    assert_eq!((stack.provider.calls(), stack.circuit().snapshot().calls), (0, 0));
}
