//! What is counted, with which labels.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use buttress_core::Notes;
use buttress_request_log::RequestLogLayer;
use http::{Method, Request, Response};
use http_body_util::Full;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{drain, get};

/// The values by name and labels: counts of counters, numbers of values of histograms.
fn snapshot(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let name = |key: &Key| {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        format!("{} {}", key.name(), labels.join(" "))
    };
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(values) => values.len() as u64,
            DebugValue::Gauge(_) => panic!("there are no gauges"),
        };
        (name(key.key()), value)
    })
    .collect()
}

fn ask(layer: &RequestLogLayer, request: Request<()>, route: &str, status: u16) {
    let route = route.to_owned();
    let handler = service_fn(move |request: Request<()>| {
        let notes = request.extensions().get::<Notes>().unwrap();
        notes.write(|noted| noted.route = Some(route.clone().into()));
        let response = Response::builder().status(status).body(Full::new(&b"abc"[..])).unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let run = tokio::runtime::Builder::new_current_thread().build().unwrap();
    drain(&mut run.block_on(layer.layer(handler).oneshot(request)).unwrap().into_body());
}

#[test]
fn requests_times_and_bytes_are_counted_by_route() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let layer = RequestLogLayer::new();
    with_local_recorder(&recorder, || {
        let post = || Request::post("/jobs").header("content-length", "10").body(()).unwrap();
        ask(&layer, post(), "/jobs", 201);
        ask(&layer.clone(), post(), "/jobs", 204);
        ask(&layer, get(), "/jobs/{id}", 503);
    });
    let expected = [
        ("buttress_requests_total route=/jobs method=POST status=2xx outcome=answered", 2),
        ("buttress_requests_total route=/jobs/{id} method=GET status=5xx outcome=answered", 1),
        ("buttress_request_duration_seconds route=/jobs", 2),
        ("buttress_request_duration_seconds route=/jobs/{id}", 1),
        ("buttress_request_first_byte_seconds route=/jobs", 2),
        ("buttress_request_first_byte_seconds route=/jobs/{id}", 1),
        ("buttress_request_bytes_total route=/jobs", 20),
        ("buttress_request_bytes_total route=/jobs/{id}", 0),
        ("buttress_response_bytes_total route=/jobs", 3),
        ("buttress_response_bytes_total route=/jobs/{id}", 3),
    ];
    assert_eq!(snapshot(&snapshotter), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn labels_stay_bounded_whatever_callers_send() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let layer = RequestLogLayer::new();
    with_local_recorder(&recorder, || {
        for i in 0..2_000 {
            let method = Method::from_bytes(format!("M{i}").as_bytes()).unwrap();
            let request = Request::builder().method(method).body(()).unwrap();
            ask(&layer, request, &format!("/{i}"), 999);
        }
        // Who came in time keeps its place.
        ask(&layer, get(), "/0", 200);
    });
    let all = snapshot(&snapshotter);
    let requests: Vec<_> = all.iter().filter(|(name, _)| name.starts_with("buttress_requests_total")).collect();
    assert_eq!(requests.len(), 500 + 1 + 1);
    assert_eq!(all["buttress_requests_total route=other method=other status=other outcome=answered"], 1_500);
    assert_eq!(all["buttress_requests_total route=/0 method=GET status=2xx outcome=answered"], 1);
}

async fn ask_now(layer: &RequestLogLayer) {
    let handler = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::new(&b"abc"[..]))) });
    drain(&mut layer.layer(handler).oneshot(get()).await.unwrap().into_body());
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_comes_late_counts_within_a_second() {
    let layer = RequestLogLayer::new();
    ask_now(&layer).await;
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    advance(Duration::from_secs(1)).await;
    ask_now(&layer).await;
    let name = "buttress_requests_total route=unmatched method=GET status=2xx outcome=answered";
    assert_eq!(snapshot(&snapshotter)[name], 1);
}

/// Counts how often it is asked for a handle.
#[derive(Default)]
struct Asked(AtomicUsize);

impl Recorder for Asked {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        unreachable!("there are no gauges")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.0.fetch_add(1, Ordering::SeqCst);
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_is_asked_for_handles_once_a_second_and_not_at_each_request() {
    let asked = Asked::default();
    let _guard = metrics::set_default_local_recorder(&asked);
    let layer = RequestLogLayer::new();
    for _ in 0..100 {
        ask_now(&layer).await;
        advance(Duration::from_millis(9)).await;
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 5);
    advance(Duration::from_millis(100)).await;
    ask_now(&layer).await;
    ask_now(&layer).await;
    assert_eq!(asked.0.load(Ordering::SeqCst), 10);
}
