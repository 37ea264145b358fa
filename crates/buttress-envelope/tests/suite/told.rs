//! What is logged and counted.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use buttress_envelope::{AnswerErrorsLayer, ApiError, EnvelopeLayer, INTERNAL, Mode, Route};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{ID, JSON, answer, full, got, request, through};

/// Keeps every event as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target().starts_with("buttress_envelope") {
            let mut log = self.0.lock().unwrap();
            write!(log, "{} ", event.metadata().level()).unwrap();
            event.record(&mut Fields(&mut log));
            log.push('\n');
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What is logged while a future runs.
async fn logged(work: impl Future) -> String {
    let log = Log::default();
    // Somebody who listens always: else a place that was first reached while nobody did may be silent for a while.
    let _ = tracing::subscriber::set_global_default(Log::default());
    let guard = tracing::subscriber::set_default(log.clone());
    work.await;
    drop(guard);
    let log = log.0.lock().unwrap();
    log.clone()
}

fn is_one_line(log: &str, parts: &[&str]) {
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in parts {
        assert!(log.contains(part), "{part} in {log}");
    }
}

// ENV-4
#[tokio::test]
async fn what_is_masked_is_logged_under_the_correlation_id() {
    let id = format!("correlation_id={ID}");
    let log = logged(got(answer(500, &[JSON], full(r#"{"error":"pool timed out"}"#)))).await;
    is_one_line(&log, &["WARN", "masked_failure", "status=500", "pool timed out", &id]);
    let long = logged(got(answer(500, &[("content-type", "text/plain")], full("x".repeat(60_000))))).await;
    assert!(long.len() < 2_500, "{}", long.len());
    let cause = ApiError::new(INTERNAL, "sorry").because(std::io::Error::other("disk is full"));
    let id_of_the_request = ID.parse().unwrap();
    let log = logged(async { cause.into_response::<Full<Bytes>>(Some(&id_of_the_request)) }).await;
    is_one_line(&log, &["ERROR", "request_failed", "disk is full", &id]);
}

#[tokio::test]
async fn failures_of_callers_are_not_logged() {
    assert_eq!(logged(got(answer(404, &[JSON], full(r#"{"error":"no"}"#)))).await, "");
}

// ENV-4
#[tokio::test]
async fn panics_and_errors_of_services_are_logged_under_the_correlation_id() {
    type Answer = Result<Response<Full<Bytes>>, std::io::Error>;
    let id = format!("correlation_id={ID}");
    let inner = service_fn(|_: Request<()>| async { panic!("index {}", 7) as Answer });
    let log =
        logged(ServiceBuilder::new().layer(EnvelopeLayer::new()).service(inner).oneshot(request("GET", &[]))).await;
    is_one_line(&log, &["ERROR", "handler_panicked", "index 7", &id]);
    let inner = service_fn(|_: Request<()>| async { Answer::Err(std::io::Error::other("no\nroute")) });
    let log =
        logged(ServiceBuilder::new().layer(AnswerErrorsLayer::new()).service(inner).oneshot(request("GET", &[]))).await;
    is_one_line(&log, &["ERROR", "service_failed", "no route", &id]);
}

async fn legacy(layer: EnvelopeLayer, headers: &[(&'static str, &str)], status: u16, media: &'static str) {
    let mut before = answer(status, &[("content-type", media)], full("1"));
    before.extensions_mut().insert(Route::new("/api/jobs/{id}"));
    through(layer, request("GET", headers), before).await;
}

#[tokio::test]
async fn each_use_of_an_old_shape_is_logged() {
    let id = format!("correlation_id={ID}");
    let dual = || EnvelopeLayer::new().mode(Mode::Dual);
    let json = "application/json";
    for (layer, headers, by) in [
        (EnvelopeLayer::new().mode(Mode::Legacy), &[][..], "mode"),
        (dual(), &[], "default"),
        (dual(), &[("x-envelope", "legacy")], "caller"),
    ] {
        let log = logged(legacy(layer, headers, 200, json)).await;
        is_one_line(&log, &["INFO", "legacy_answer", "/api/jobs/{id}", &format!("by={by:?}"), &id]);
    }
    // Nothing would have been wrapped, or it was.
    assert_eq!(logged(legacy(dual(), &[("x-envelope", "new")], 200, json)).await, "");
    assert_eq!(logged(legacy(dual(), &[], 200, "text/event-stream")).await, "");
    assert_eq!(logged(legacy(EnvelopeLayer::new().mode(Mode::Raw), &[], 200, json)).await, "");
}

#[test]
fn each_use_of_an_old_shape_is_counted_by_route_and_reason() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let layer = EnvelopeLayer::new().mode(Mode::Legacy);
            for status in [200, 404, 304] {
                legacy(layer.clone(), &[], status, "application/json").await;
            }
            through(layer, request("GET", &[]), answer(200, &[JSON], full("1"))).await;
        });
    });
    let mut counted: Vec<_> = snapshots
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let DebugValue::Counter(count) = value else { panic!("{key:?} is no counter") };
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            (key.key().name().to_owned(), labels.join(" "), count)
        })
        .collect();
    counted.sort();
    let name = "envelope_legacy_answers_total".to_owned();
    let expected = [("route=/api/jobs/{id} by=mode", 2), ("route=none by=mode", 1)];
    assert_eq!(counted, expected.map(|(labels, count)| (name.clone(), labels.to_owned(), count)));
}
