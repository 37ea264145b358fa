use buttress_core::{CorrelationId, Notes};
use buttress_idempotency::{Effect, EventKind};
use http::Response;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::common::{Handler, Script, Step, layer, over, post, send};

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

#[tokio::test]
async fn a_hook_that_panics_changes_nothing() {
    let handler = Handler::numbered();
    let service = over(&layer().on_event(|event| panic!("on purpose, at {}", event.kind.as_str())), &handler);
    for (body, status, is_replay) in [("x", 200, false), ("x", 200, true), ("y", 422, false)] {
        let seen = send(&service, post("a", body)).await;
        assert_eq!((seen.status, seen.is_replay()), (status, is_replay));
    }
    assert_eq!(handler.runs(), 1);
}

#[tokio::test]
async fn a_hook_that_panics_while_a_panic_unwinds_does_not_end_the_process() {
    let handler = Handler::with(|| Response::new(Script::new([Step::Data("a"), Step::Panic])));
    let service = over(&layer().on_event(|_| panic!("on purpose as well")), &handler);
    let asking = service.clone();
    let panicked = tokio::spawn(async move { send(&asking, post("a", "x")).await }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(send(&service, post("a", "x")).await.code(), "result_unavailable");
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
