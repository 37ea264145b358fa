//! Calls that outlive their circuit. What it counted by goes to the next circuit, which must not notice them.

use std::thread;

use buttress_circuit_breaker::{BreakerLayer, Keys, State};
use http::{Request, Response};
use tower::{Layer, ServiceExt};

use crate::common::{Provider, S, Stack, Step, Then, Told, drain, policy, script, status};

/// How a call may end.
fn ends() -> [Then; 5] {
    [
        status(200),
        status(500),
        Then::Fail,
        Then::Answer(Response::new(script(&[Step::Data("a")]))),
        Then::Answer(Response::new(script(&[Step::Error]))),
    ]
}

// CBK-7
#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_circuit_counts_for_no_other() {
    // Often, since other tests take what was left as well.
    for then in (0..100).flat_map(|_| ends()) {
        let before = Stack::new(policy().slow_calls(S, 1.0));
        let call = before.start();
        drop(before);
        let told = Told::default();
        let after = Stack::new(told.by(policy()));
        let _ = call.end(then).await;
        let seen = after.circuit().snapshot();
        assert_eq!((seen.calls, seen.failures, seen.slow_calls, seen.failures_in_a_row), (0, 0, 0, 0));
        assert_eq!(told.take(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_outlives_its_circuit_takes_no_place_of_another() {
    let half_open = || policy().initial(State::HalfOpen);
    for then in (0..100).flat_map(|_| ends()) {
        let before = Stack::new(half_open());
        let call = before.start();
        drop(before);
        let after = Stack::new(half_open());
        let trial = after.start();
        let _ = call.end(then).await;
        let seen = after.circuit().snapshot();
        assert_eq!((seen.state, seen.trials_running, seen.calls), (State::HalfOpen, 1, 0));
        let _ = trial.end(status(200)).await;
        assert_eq!(after.circuit().snapshot().calls, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_key_that_made_room_counts_for_no_other() {
    let layer = BreakerLayer::keyed("a", policy(), Keys::hosts().at_most(1)).unwrap();
    let ask = |host: &str, then: Then| {
        let provider = Provider::default();
        provider.next(then);
        layer.layer(provider).oneshot(Request::get(format!("https://{host}/")).body(()).unwrap())
    };
    for _ in 0..100 {
        let mut answer = ask("a.example", Then::Answer(Response::new(script(&[Step::Error])))).await.unwrap();
        for host in ["b.example", "c.example"] {
            let _ = ask(host, status(200)).await;
        }
        drain(answer.body_mut());
        let seen = layer.circuits().get("c.example").unwrap().snapshot();
        assert_eq!((seen.calls, seen.failures), (1, 0));
    }
}

#[test]
fn circuits_that_come_and_go_in_many_threads_count_their_own_calls() {
    let come_and_go = |failures: bool| {
        let mut left = Vec::new();
        for _ in 0..300 {
            let stack = Stack::new(policy().minimum_calls(10));
            for _ in 0..3 {
                let then = if failures { status(500) } else { Then::Answer(Response::new(script(&[Step::Data("a")]))) };
                stack.provider.next(then);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                left.extend(runtime.block_on(stack.ask()));
            }
            // Those of other circuits end here and now.
            let mine = left.split_off(left.len().saturating_sub(3));
            left.drain(..).for_each(|mut answer| drain(answer.body_mut()));
            let before = stack.circuit().snapshot();
            assert_eq!((before.calls, before.failures), if failures { (3, 3) } else { (0, 0) });
            left = mine;
        }
    };
    thread::scope(|scope| {
        let threads = [true, false, true, false].map(|failures| scope.spawn(move || come_and_go(failures)));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
