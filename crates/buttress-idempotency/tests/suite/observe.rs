use buttress_core::{CorrelationId, Notes};
use buttress_idempotency::{Effect, EventKind};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::common::{Handler, layer, over, post, send};

#[tokio::test]
async fn the_notes_of_a_request_say_what_became_of_its_key() {
    let service = over(&layer(), &Handler::numbered());
    for (key, body, word) in
        [("a", "x", "first"), ("a", "x", "replayed"), ("a", "y", "mismatch"), ("\"", "x", "invalid_key")]
    {
        let notes = Notes::default();
        let mut request = post(key, body);
        request.extensions_mut().insert(notes.clone());
        send(&service, request).await;
        assert_eq!(notes.read(|noted| noted.idempotency.clone()).as_deref(), Some(word));
    }
}

#[tokio::test]
async fn a_problem_carries_the_correlation_id_of_its_own_request() {
    let service = over(&layer(), &Handler::numbered());
    send(&service, post("a", "x")).await;
    let mut request = post("a", "y");
    request.extensions_mut().insert("second".parse::<CorrelationId>().unwrap());
    assert_eq!(send(&service, request).await.json()["correlationId"], "second");
}

// IDM-20
#[cfg(feature = "metrics")]
#[test]
fn everything_that_happens_to_keys_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let service = over(&layer().effect(Effect::None), &Handler::status(500));
            send(&service, post("a", "x")).await;
            send(&service, post("a", "x")).await;
        });
    });
    let mut counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let kind = key.key().labels().next().unwrap().value().to_owned();
            (key.key().name().to_owned(), kind, value)
        })
        .collect();
    counted.sort_by(|a, b| a.1.cmp(&b.1));
    let name = "buttress_idempotency_total".to_owned();
    let of = |kind: EventKind| (name.clone(), kind.as_str().to_owned(), DebugValue::Counter(2));
    assert_eq!(counted, [of(EventKind::First), of(EventKind::Released)]);
}

// IDM-24
#[test]
fn keys_and_secrets_are_in_no_debug_text_and_no_event() {
    use buttress_idempotency::{Key, KeyForm, Secret};

    let key = Key::parse(b"hunter2", KeyForm::Lenient).unwrap();
    let texts = [format!("{key:?}"), format!("{:?}", Secret::new([b'h'; 32])), format!("{:?}", layer())];
    for text in texts {
        assert!(!text.contains("hunter2") && !text.contains("104, 104"), "{text}");
    }
}
