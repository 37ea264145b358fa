//! Events, counters, hooks, notes.

use std::{
    io,
    sync::{Arc, Mutex},
};

use buttress_core::{CorrelationId, Notes};
use buttress_retry::{Backoff, Cause, RetryLayer, Why};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_of_every_retry_and_of_the_end() {
    let told = Told::default();
    let server = Server::new([Try::Answer(status(503)), Try::Fail, Try::Answer(status(502))]);
    let _ = told.by(layer()).layer(server).oneshot(get()).await.unwrap();
    let retries = told.retries.lock().unwrap();
    let causes: Vec<_> = retries.iter().map(|retrying| (retrying.failed.number(), retrying.cause)).collect();
    assert_eq!(causes, [(1, Cause::Status(http::StatusCode::SERVICE_UNAVAILABLE)), (2, Cause::Error)]);
    let gave_up = told.gave_up.lock().unwrap();
    assert_eq!(gave_up.len(), 1);
    assert_eq!((gave_up[0].failed.number(), gave_up[0].why), (3, Why::Attempts));
}

#[tokio::test(start_paused = true)]
async fn the_notes_of_the_request_count_retries() {
    let notes = Notes::default();
    for _ in 0..2 {
        let mut request = get();
        request.extensions_mut().insert(notes.clone());
        let _ = layer().layer(Server::answers([status(503), status(503)])).oneshot(request).await.unwrap();
    }
    assert_eq!(notes.read(|noted| noted.retries), 4);
}

#[tokio::test(start_paused = true)]
async fn events_have_stable_fields() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_writer(lines.clone());
    // While there is only one, an event that another thread meets first is switched off for all of them.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _kept = tracing::dispatcher::set_default(&subscriber.finish().into());
    let mut request = get();
    let id: CorrelationId = "abc".parse().unwrap();
    request.extensions_mut().insert(id);
    let layer = layer().attempts(std::num::NonZeroU32::new(2).unwrap());
    let _ = layer.layer(Server::new([Try::Answer(status(503)), Try::Fail])).oneshot(request).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, parts) in [
        (
            lines[0],
            [
                "\"INFO\"",
                "\"message\":\"retry_scheduled\"",
                "\"attempt\":1",
                "\"cause\":\"status\"",
                "\"status\":503",
                "\"delay_ms\":0",
            ],
        ),
        (
            lines[1],
            [
                "\"WARN\"",
                "\"message\":\"retry_gave_up\"",
                "\"attempt\":2",
                "\"cause\":\"error\"",
                "\"reason\":\"attempts\"",
                "\"correlation_id\":\"abc\"",
            ],
        ),
    ] {
        for part in parts {
            assert!(line.contains(part), "{part} {line}");
        }
    }
    assert!(lines[0].contains("\"correlation_id\":\"abc\""));
}

#[test]
fn counters_have_bounded_labels() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let server = Server::new([Try::Answer(status(503)), Try::Fail, Try::Answer(status(503))]);
            let _ = layer().layer(server).oneshot(get()).await.unwrap();
        });
    });
    let mut counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            let DebugValue::Counter(count) = value else { panic!("only counters") };
            (key.key().name().to_owned(), labels.join(","), count)
        })
        .collect();
    counted.sort();
    let expected = [
        ("buttress_retries_given_up_total", "attempts", 1),
        ("buttress_retries_total", "error", 1),
        ("buttress_retries_total", "status", 1),
    ];
    let counted: Vec<_> = counted.iter().map(|(name, label, count)| (name.as_str(), label.as_str(), *count)).collect();
    assert_eq!(counted, expected);
}
