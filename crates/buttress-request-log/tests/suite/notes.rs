//! What the parts of a server add to a record.

use std::{convert::Infallible, task::Poll};

use buttress_core::{CorrelationId, Notes};
use buttress_request_log::RequestLogLayer;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{Records, Step, answer, drain, get, poll, script};

fn ok() -> Response<Full<&'static [u8]>> {
    Response::new(Full::new(b"ok"))
}

async fn run(layer: RequestLogLayer, request: Request<()>, handle: impl Fn(&Notes)) {
    let handler = service_fn(|request: Request<()>| {
        handle(request.extensions().get().expect("the layer brings notes"));
        async { Ok::<_, Infallible>(ok()) }
    });
    drain(&mut layer.layer(handler).oneshot(request).await.unwrap().into_body());
}

#[tokio::test]
async fn what_a_handler_writes_is_in_the_record() {
    let records = Records::default();
    let mut request = get();
    request.headers_mut().insert("content-length", 12.into());
    request.extensions_mut().insert::<CorrelationId>("abc-1".parse().unwrap());
    run(records.layer(), request, |notes| {
        notes.write(|noted| {
            noted.route = Some("/api/images/{id}".into());
            noted.user_id = Some("alice".into());
            noted.provider = Some("superduperai".into());
            noted.cost = Some((1.5, "credits".into()));
            noted.retries = 2;
            noted.breaker = Some("closed".into());
            noted.idempotency = Some("replayed".into());
        });
    })
    .await;
    let record = records.one();
    assert_eq!(record.route, "/api/images/{id}");
    assert_eq!(record.user_id.as_deref(), Some("alice"));
    assert_eq!(record.provider.as_deref(), Some("superduperai"));
    assert_eq!(record.cost, Some((1.5, "credits".into())));
    assert_eq!((record.retry_count, record.breaker.as_deref()), (2, Some("closed")));
    assert_eq!(record.idempotency.as_deref(), Some("replayed"));
    assert_eq!(record.correlation_id.unwrap().as_str(), "abc-1");
    assert_eq!((record.request_bytes, record.response_bytes), (Some(12), 2));
}

#[tokio::test]
async fn what_is_not_known_is_not_made_up() {
    let records = Records::default();
    run(records.layer(), get(), |_| ()).await;
    let record = records.one();
    assert_eq!(record.route, "unmatched");
    assert_eq!((record.user_id, record.provider, record.cost), (None, None, None));
    assert_eq!((record.retry_count, record.breaker, record.idempotency), (0, None, None));
    assert_eq!((record.correlation_id, record.request_bytes), (None, None));
}

#[tokio::test]
async fn a_spawned_task_writes_while_the_body_goes_out() {
    let records = Records::default();
    let handler = service_fn(|request: Request<()>| async move {
        let notes = request.extensions().get::<Notes>().unwrap().clone();
        let task = tokio::spawn(async move { notes.write(|noted| noted.cost = Some((3.0, "USD".into()))) });
        let mut response = Response::new(script(&[Step::Data("a"), Step::Data("b")]));
        response.extensions_mut().insert(std::sync::Arc::new(std::sync::Mutex::new(Some(task))));
        Ok::<_, Infallible>(response)
    });
    let response = records.layer().layer(handler).oneshot(get()).await.unwrap();
    type Task = std::sync::Arc<std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>>;
    let task = response.extensions().get::<Task>().unwrap().lock().unwrap().take().unwrap();
    let mut body = response.into_body();
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    task.await.unwrap();
    drain(&mut body);
    assert_eq!(records.one().cost, Some((3.0, "USD".into())));
}

#[tokio::test]
async fn notes_that_are_there_are_used_and_left_as_they_are() {
    let records = Records::default();
    let outside = Notes::default();
    outside.write(|noted| noted.user_id = Some("alice".into()));
    let mut request = get();
    request.extensions_mut().insert(outside.clone());
    run(records.layer(), request, |notes| notes.write(|noted| noted.retries += 1)).await;
    let record = records.one();
    assert_eq!((record.user_id.as_deref(), record.retry_count), (Some("alice"), 1));
    assert_eq!(outside.read(|noted| (noted.user_id.clone(), noted.retries)), (Some("alice".into()), 1));
}

#[tokio::test]
async fn a_route_comes_from_the_notes_first_and_from_the_request_else() {
    #[derive(Clone)]
    struct Matched(&'static str);
    let of_request = |records: &Records| {
        records.layer().route(|parts| parts.extensions.get::<Matched>().map(|matched| matched.0.into()))
    };
    let matched = || {
        let mut request = get();
        request.extensions_mut().insert(Matched("/jobs/{id}"));
        request
    };
    let (from_request, from_notes, from_none) = (Records::default(), Records::default(), Records::default());
    run(of_request(&from_request), matched(), |_| ()).await;
    run(of_request(&from_notes), matched(), |notes| notes.write(|noted| noted.route = Some("/inner".into()))).await;
    run(of_request(&from_none), get(), |_| ()).await;
    assert_eq!(from_request.one().route, "/jobs/{id}");
    assert_eq!(from_notes.one().route, "/inner");
    assert_eq!(from_none.one().route, "unmatched");
}

// COR-10
#[tokio::test]
async fn texts_from_notes_are_cleaned() {
    const EVIL: &str = "a\r\nINFO forged\u{1b}[2J\0";
    const TAMED: &str = r"a\u{d}\u{a}INFO forged\u{1b}[2J\u{0}";
    let records = Records::default();
    run(records.layer(), get(), |notes| {
        notes.write(|noted| {
            noted.route = Some(EVIL.into());
            noted.user_id = Some(EVIL.into());
            noted.provider = Some(EVIL.into());
            noted.cost = Some((f64::NAN, EVIL.into()));
            noted.breaker = Some(EVIL.into());
            noted.idempotency = Some(EVIL.repeat(1_000).into());
        });
    })
    .await;
    let record = records.one();
    assert_eq!(record.route, TAMED);
    for text in [record.user_id, record.provider, record.cost.map(|(_, currency)| currency), record.breaker] {
        assert_eq!(text.unwrap(), TAMED);
    }
    assert!(record.idempotency.unwrap().len() < 300);
}

#[tokio::test]
async fn content_lengths_of_requests_are_taken_only_if_they_can_be_read() {
    for (length, expected) in [("0", Some(0)), ("7", Some(7)), ("-7", None), ("seven", None)] {
        let records = Records::default();
        let request = Request::builder().header("content-length", length).body(()).unwrap();
        drain(&mut answer(&records.layer(), request, ok()).await.into_body());
        assert_eq!(records.one().request_bytes, expected, "{length}");
    }
}
