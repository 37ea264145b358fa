//! What is counted, with which labels.

use std::{collections::BTreeMap, convert::Infallible};

use buttress_core::Notes;
use buttress_request_log::RequestLogLayer;
use http::{Method, Request, Response};
use http_body_util::Full;
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{drain, get};

/// The values by name and labels: counts of counters, numbers of values of histograms.
fn snapshot(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let name = |key: &metrics::Key| {
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

#[test]
fn a_recorder_that_comes_late_counts_from_then_on() {
    let layer = RequestLogLayer::new();
    ask(&layer, get(), "/jobs", 200);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || ask(&layer, get(), "/jobs", 200));
    let name = "buttress_requests_total route=/jobs method=GET status=2xx outcome=answered";
    assert_eq!(snapshot(&snapshotter)[name], 1);
}
