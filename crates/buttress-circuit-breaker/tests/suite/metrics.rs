//! What is counted, with which labels.

use std::{collections::BTreeMap, time::Duration};

use buttress_circuit_breaker::{BreakerLayer, Keys, Policy, State, Window};
use http::Request;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::advance;
use tower::{Layer, ServiceExt};

use crate::common::{Provider, S, Stack, Then, policy, status};

fn values(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let all = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("there are no histograms"),
        };
        (format!("{} {}", key.key().name(), labels.join(" ")), value)
    });
    all.filter(|(_, value)| *value != 0.0).collect()
}

fn expect(expected: &[(&str, f64)]) -> BTreeMap<String, f64> {
    expected.iter().map(|(name, value)| (format!("buttress_breaker_{name}"), *value)).collect()
}

// CBK-17, CBK-14
#[tokio::test(start_paused = true)]
async fn calls_transitions_and_states_are_counted_by_origin() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stack = Stack::new(policy().trials(1).slow_calls(S, 1.0));
    let late = stack.start();
    for _ in 0..3 {
        let _ = stack.call(status(200)).await;
    }
    let _ = stack.call(Then::Fail).await;
    let _ = stack.call(Then::After(2 * S, Box::new(status(503)))).await;
    let _ = stack.call(Then::Fail).await;
    assert_eq!(stack.circuit().state(), State::Open);
    let _ = stack.call(status(200)).await;
    let _ = late.end(Then::Fail).await;
    advance(10 * S).await;
    drop(stack.start());
    let mut found = values(&snapshotter);
    assert_eq!(
        found,
        expect(&[
            ("calls_total breaker=provider outcome=success origin=none", 3.0),
            ("calls_total breaker=provider outcome=failure origin=local", 2.0),
            ("calls_total breaker=provider outcome=failure origin=peer", 1.0),
            ("calls_total breaker=provider outcome=refused origin=none", 1.0),
            ("calls_total breaker=provider outcome=late origin=none", 1.0),
            ("calls_total breaker=provider outcome=ignored origin=none", 1.0),
            ("slow_calls_total breaker=provider", 1.0),
            ("transitions_total breaker=provider from=closed to=open cause=failure_rate origin=local", 1.0),
            ("transitions_total breaker=provider from=open to=half_open cause=open_time_over origin=none", 1.0),
            ("circuits breaker=provider state=half_open", 1.0),
        ])
    );
    let _ = stack.call(status(200)).await;
    found = values(&snapshotter);
    assert_eq!(found["buttress_breaker_circuits breaker=provider state=closed"], 1.0);
    assert!(!found.contains_key("buttress_breaker_circuits breaker=provider state=half_open"));
}

#[tokio::test(start_paused = true)]
async fn quick_successes_reach_the_recorder_with_the_next_bucket_and_with_a_snapshot() {
    const SUCCESSES: &str = "buttress_breaker_calls_total breaker=provider outcome=success origin=none";
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stack = Stack::new(Policy::new(Window::time(10 * S)));
    let mut total = 0.0;
    let mut count = || {
        total += values(&snapshotter).get(SUCCESSES).copied().unwrap_or(0.0);
        total
    };
    for _ in 0..5 {
        let _ = stack.call(status(200)).await;
    }
    assert_eq!(count(), 0.0);
    advance(S).await;
    let _ = stack.call(status(200)).await;
    assert_eq!(count(), 6.0);
    let _ = stack.call(status(200)).await;
    assert_eq!(count(), 6.0);
    let _ = stack.circuit().snapshot();
    assert_eq!(count(), 7.0);
    // And what is left, when the circuit goes.
    let _ = stack.call(status(200)).await;
    drop(stack);
    assert_eq!(count(), 8.0);
}

#[tokio::test]
async fn a_recorder_that_comes_late_knows_the_states_from_the_next_snapshot_on() {
    let layer = BreakerLayer::keyed("late", policy(), Keys::hosts()).unwrap();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    assert!(values(&snapshotter).is_empty());
    let _ = layer.circuits().snapshots();
    assert_eq!(values(&snapshotter), expect(&[("circuits breaker=late state=closed", 1.0)]));
    drop(layer);
    assert!(values(&snapshotter).is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_are_no_labels() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let layer = BreakerLayer::keyed("hooks", policy(), Keys::hosts().idle_after(Duration::from_secs(60))).unwrap();
    for host in 0..50 {
        let provider = Provider::default();
        let request = Request::get(format!("https://h{host}/")).body(()).unwrap();
        let _ = layer.layer(provider.next(Then::Fail).clone()).oneshot(request).await;
    }
    let found = values(&snapshotter);
    assert_eq!(found["buttress_breaker_calls_total breaker=hooks outcome=failure origin=local"], 50.0);
    assert_eq!(found["buttress_breaker_circuits breaker=hooks state=closed"], 51.0);
    assert_eq!(found.len(), 2);
}

/// Panics whatever it is told.
struct Broke;

impl Recorder for Broke {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("of the recorder")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("of the recorder")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("of the recorder")
    }
}

#[tokio::test]
async fn a_recorder_that_panics_costs_no_call_and_no_circuit() {
    let _guard = metrics::set_default_local_recorder(&Broke);
    let layer = BreakerLayer::keyed("a", policy(), Keys::hosts().at_most(1)).unwrap();
    // Each makes room for the next.
    for host in ["a.example", "b.example"] {
        for then in [status(200), status(500)] {
            let provider = Provider::default();
            let request = Request::get(format!("https://{host}/")).body(()).unwrap();
            assert!(layer.layer(provider.next(then).clone()).oneshot(request).await.is_ok());
        }
        assert_eq!(layer.circuits().get(host).unwrap().snapshot().failures, 1);
    }
}
