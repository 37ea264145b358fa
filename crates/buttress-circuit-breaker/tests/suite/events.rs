//! What hooks, logs and notes are told.

use std::sync::{Arc, Mutex};

use buttress_circuit_breaker::{BreakerLayer, Cause, EventKind, Origin, State, Verdict};
use buttress_core::{CorrelationId, Notes};
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{S, Stack, Then, Told, policy, status};

fn transition(from: State, to: State, cause: Cause, origin: Option<Origin>) -> EventKind {
    let open_for = (to == State::Open).then_some(10 * S);
    EventKind::Transition { from, to, cause, origin, open_for }
}

// CBK-14
#[tokio::test(start_paused = true)]
async fn a_hook_is_told_of_everything_once_and_in_order() {
    let told = Told::default();
    let statuses = |status: http::StatusCode| match status.as_u16() {
        418 => Verdict::Ignore,
        500.. => Verdict::Failure,
        _ => Verdict::Success,
    };
    let stack = Stack::new(told.by(policy().statuses(statuses).trials(1).slow_calls(2 * S, 1.0)));
    let late = stack.start();
    let _ = stack.call(status(200)).await;
    let _ = stack.call(status(418)).await;
    let _ = stack.call(status(500)).await;
    let _ = stack.call(Then::After(3 * S, Box::new(status(200)))).await;
    let _ = stack.call(Then::Fail).await;
    let peer = EventKind::Failure { origin: Origin::Peer, slow: false };
    assert_eq!(
        told.take(),
        [
            EventKind::Success { slow: false },
            EventKind::Ignored,
            peer.clone(),
            EventKind::Success { slow: true },
            EventKind::Failure { origin: Origin::Local, slow: false },
            EventKind::FailureRateExceeded { rate: 0.5 },
            transition(State::Closed, State::Open, Cause::FailureRate, Some(Origin::Peer)),
        ]
    );
    let _ = stack.call(status(200)).await;
    late.end(status(200)).await.unwrap();
    advance(10 * S).await;
    let _ = stack.call(status(500)).await;
    advance(10 * S).await;
    let _ = stack.call(status(200)).await;
    assert_eq!(
        told.take(),
        [
            EventKind::Refused { wait: Some(10 * S) },
            EventKind::Late,
            transition(State::Open, State::HalfOpen, Cause::OpenTimeOver, None),
            peer,
            transition(State::HalfOpen, State::Open, Cause::TrialsFailed, Some(Origin::Peer)),
            transition(State::Open, State::HalfOpen, Cause::OpenTimeOver, None),
            EventKind::Success { slow: false },
            transition(State::HalfOpen, State::Closed, Cause::TrialsSucceeded, None),
        ]
    );
}

// CBK-14
#[tokio::test]
async fn a_circuit_that_stays_as_it_is_tells_no_transition() {
    let told = Told::default();
    let stack = Stack::new(told.by(policy()));
    stack.circuit().become_state(State::Closed).unwrap();
    assert_eq!(told.take(), []);
    stack.circuit().reset();
    assert_eq!(told.take(), [EventKind::Reset]);
}

// CBK-14
#[tokio::test(start_paused = true)]
async fn rates_are_told_when_they_are_exceeded_and_again_after_they_were_not() {
    let told = Told::default();
    let stack = Stack::new(told.by(policy().initial(State::MetricsOnly).slow_calls(S, 0.5).failures_in_a_row(3)));
    let exceeded = || {
        let exceeded = |kind: &EventKind| !matches!(kind, EventKind::Success { .. } | EventKind::Failure { .. });
        told.take().into_iter().filter(exceeded).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    assert_eq!(exceeded(), [EventKind::FailuresInARow { failures: 3 }, EventKind::FailureRateExceeded { rate: 1.0 }]);
    for _ in 0..8 {
        let _ = stack.call(status(200)).await;
    }
    assert_eq!(exceeded(), []);
    for _ in 0..5 {
        let _ = stack.call(Then::After(2 * S, Box::new(status(500)))).await;
    }
    let kinds = exceeded();
    assert!(
        matches!(
            kinds[..],
            [
                EventKind::FailuresInARow { failures: 3 },
                EventKind::SlowRateExceeded { rate: 0.5 } | EventKind::FailureRateExceeded { rate: 0.5 },
                EventKind::SlowRateExceeded { rate: 0.5 } | EventKind::FailureRateExceeded { rate: 0.5 },
            ]
        ),
        "{kinds:?}"
    );
    assert_eq!(stack.circuit().state(), State::MetricsOnly);
}

// CBK-17
#[tokio::test]
async fn an_outage_of_ours_is_told_from_one_of_the_peer() {
    for (then, origin) in [(Then::Fail, Origin::Local), (status(503), Origin::Peer)] {
        let told = Told::default();
        let stack = Stack::new(told.by(policy()));
        let other = match origin {
            Origin::Local => || status(503),
            _ => || Then::Fail,
        };
        let _ = stack.call(other()).await;
        let _ = stack.call(then).await;
        for _ in 0..2 {
            let again = if origin == Origin::Local { Then::Fail } else { status(503) };
            let _ = stack.call(again).await;
        }
        let last = told.take().pop();
        assert_eq!(last, Some(transition(State::Closed, State::Open, Cause::FailureRate, Some(origin))));
    }
}

#[tokio::test]
async fn a_hook_that_panics_costs_nothing_but_its_word() {
    let stack = Stack::new(policy().on_event(|_| panic!("the hook panicked")));
    for _ in 0..4 {
        assert_eq!(stack.call(status(500)).await.unwrap().status(), 500);
    }
    assert_eq!(stack.circuit().state(), State::Open);
    assert_eq!(stack.call(status(200)).await.unwrap().status(), 503);
}

#[tokio::test]
async fn a_hook_may_use_the_circuit() {
    let layer = Arc::new(Mutex::new(None::<BreakerLayer>));
    let within = layer.clone();
    let stack = Stack::new(policy().on_event(move |_| {
        let circuit = within.lock().unwrap().as_ref().and_then(BreakerLayer::circuit);
        circuit.map(|circuit| circuit.snapshot());
    }));
    *layer.lock().unwrap() = Some(stack.layer.clone());
    for _ in 0..5 {
        let _ = stack.call(status(500)).await;
    }
    assert_eq!(stack.circuit().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn notes_say_how_the_circuit_stood_and_a_refusal_carries_the_correlation_id() {
    let stack = Stack::new(policy().trials(1));
    let ask = async || {
        let notes = Notes::default();
        let mut request = Request::new(());
        request.extensions_mut().insert(notes.clone());
        request.extensions_mut().insert("abc".parse::<CorrelationId>().unwrap());
        let answer = stack.layer.layer(stack.provider.clone()).oneshot(request).await.unwrap();
        (notes.read(|noted| noted.breaker.clone()).unwrap(), answer)
    };
    assert_eq!(ask().await.0, "closed");
    for _ in 0..4 {
        let _ = stack.call(status(500)).await;
    }
    let (state, answer) = ask().await;
    assert_eq!(state, "open");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["correlationId"], &body["code"]), (&"abc".into(), &"circuit_open".into()));
    advance(10 * S).await;
    assert_eq!(ask().await.0, "half_open");
    for (state, name) in
        [(State::ForcedOpen, "forced_open"), (State::Disabled, "disabled"), (State::MetricsOnly, "metrics_only")]
    {
        stack.circuit().become_state(state).unwrap();
        assert_eq!(ask().await.0, name);
    }
}

/// Keeps the lines that are written on this thread, as JSON.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

// CBK-14
#[tokio::test(start_paused = true)]
async fn transitions_are_lines_with_stable_fields() {
    // Without one for all threads, a test in another one may be the first to come by an event, which is then off for all.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_writer(lines.clone());
    let _guard = tracing::dispatcher::set_default(&subscriber.with_max_level(tracing::Level::DEBUG).finish().into());
    let stack = Stack::new(policy().trials(1));
    for _ in 0..5 {
        let _ = stack.call(status(500)).await;
    }
    advance(10 * S).await;
    let _ = stack.call(status(200)).await;
    stack.circuit().reset();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "breaker_failure",
            "breaker_failure",
            "breaker_failure",
            "breaker_failure",
            "breaker_failure_rate_exceeded",
            "breaker_transition",
            "breaker_refused",
            "breaker_transition",
            "breaker_transition",
            "breaker_reset",
        ]
    );
    let opened = &lines[5];
    let fields = ["level", "breaker", "from", "to", "cause", "origin"].map(|field| opened[field].as_str().unwrap());
    assert_eq!(fields, ["WARN", "provider", "closed", "open", "failure_rate", "peer"]);
    assert_eq!(opened["open_ms"], 10_000.0);
    assert_eq!((&lines[8]["level"], &lines[8]["to"]), (&"INFO".into(), &"closed".into()));
    assert_eq!(lines[6]["wait_ms"], 10_000.0);
}
