//! The line itself, as a subscriber gets it.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_core::{Body as CoreBody, CorrelationId, Notes, Problem, ProblemCode};
use buttress_request_log::{Outcome, Record, RequestLogLayer};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::{Instrument, Level, Metadata, Subscriber, info_span, level_filters::LevelFilter, span};

use crate::common::{Lines, Records, Script, Step, answer, drain, get, poll, script, subscribe};

const OUT_OF_CREDITS: ProblemCode = ProblemCode::new("out_of_credits");

fn ok() -> Response<Full<&'static [u8]>> {
    Response::new(Full::new(b"ok"))
}

async fn ask<B>(layer: &RequestLogLayer, request: Request<()>, response: Response<B>)
where
    B: http_body::Body + Unpin,
{
    drain(&mut answer(layer, request, response).await.into_body());
}

#[tokio::test(start_paused = true)]
async fn a_full_line_has_every_field_under_its_stable_name() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::INFO);
    let handler = service_fn(|request: Request<()>| async move {
        request.extensions().get::<Notes>().unwrap().write(|noted| {
            noted.route = Some("/api/images".into());
            noted.user_id = Some("alice".into());
            noted.provider = Some("superduperai".into());
            noted.cost = Some((0.25, "EUR".into()));
            noted.retries = 3;
            noted.breaker = Some("half_open".into());
            noted.idempotency = Some("first".into());
        });
        advance(Duration::from_micros(12_500)).await;
        let problem = Problem::new(StatusCode::PAYMENT_REQUIRED, OUT_OF_CREDITS, "pay").refused_by("budget");
        let response: Response<CoreBody<Script>> = problem.into_response(None);
        Ok::<_, Infallible>(response.map(|_| Full::new(&b"pay"[..])))
    });
    let mut request = Request::post("/api/images?token=hush").header("content-length", "77").body(()).unwrap();
    request.extensions_mut().insert::<CorrelationId>("abc-1".parse().unwrap());
    let response = RequestLogLayer::new().layer(handler).oneshot(request).await.unwrap();
    advance(Duration::from_millis(1)).await;
    drain(&mut response.into_body());
    assert_eq!(
        lines.one(),
        json!({
            "level": "INFO", "target": "buttress_request_log", "message": "request_finished",
            "route": "/api/images", "method": "POST", "status": 402, "outcome": "refused", "refused_by": "budget",
            "error_code": "out_of_credits", "user_id": "alice", "provider": "superduperai", "cost": 0.25,
            "cost_currency": "EUR", "retry_count": 3, "breaker": "half_open", "idempotency": "first",
            "correlation_id": "abc-1", "duration_ms": 13.5, "time_to_first_byte_ms": 13.5, "request_bytes": 77,
            "response_bytes": 3,
        })
    );
}

#[test]
fn a_line_leaves_out_what_is_not_known() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::INFO);
    let handler = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Script>, ()>>());
    drop(RequestLogLayer::new().layer(handler).call(get()));
    let mut line = lines.one();
    assert!(line.as_object_mut().unwrap().remove("duration_ms").unwrap().is_f64());
    assert_eq!(
        line,
        json!({
            "level": "INFO", "target": "buttress_request_log", "message": "request_finished", "route": "unmatched",
            "method": "GET", "outcome": "client_left", "retry_count": 0, "response_bytes": 0,
        })
    );
}

#[tokio::test]
async fn target_and_level_are_the_ones_that_were_set() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::DEBUG);
    ask(&RequestLogLayer::new().target("access").level(Level::DEBUG), get(), ok()).await;
    // The same target once more is the same place.
    ask(&RequestLogLayer::new().target("access").level(Level::WARN), get(), ok()).await;
    ask(&RequestLogLayer::new().target("access").level(Level::TRACE), get(), ok()).await;
    let seen: Vec<_> = lines.all().iter().map(|line| (line["target"].clone(), line["level"].clone())).collect();
    assert_eq!(seen, [(json!("access"), json!("DEBUG")), (json!("access"), json!("WARN"))]);
}

#[tokio::test]
async fn a_line_that_nobody_wants_is_not_written_and_the_hook_is_told_all_the_same() {
    let (lines, records) = (Lines::default(), Records::default());
    let _guard = lines.keep(LevelFilter::WARN);
    ask(&records.layer(), get(), ok()).await;
    assert_eq!(lines.text(), "");
    records.one();
}

#[tokio::test]
async fn the_ready_made_levels_go_by_outcome() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::TRACE);
    let layer = RequestLogLayer::new().level_by(Record::severity);
    let refusal = || {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::new("circuit_open"), "later");
        problem.refused_by("circuit_breaker").into_response::<Script>(None).map(|_| Full::new(&b""[..]))
    };
    let status = |status: u16| Response::builder().status(status).body(Full::new(&b"x"[..])).unwrap();
    for response in [status(200), status(404), status(500), refusal()] {
        ask(&layer, get(), response).await;
    }
    ask(&layer, get(), Response::new(script(&[Step::Error]))).await;
    drop(answer(&layer, get(), ok()).await);
    let panics = service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<Script>, ()>> { panic!() });
    assert!(catch_unwind(AssertUnwindSafe(|| layer.layer(panics).call(get()))).is_err());
    let fails = service_fn(|_: Request<()>| std::future::ready(Err::<Response<Script>, _>(())));
    assert!(layer.layer(fails).oneshot(get()).await.is_err());

    let levels: Vec<_> = lines.all().iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect();
    assert_eq!(levels, ["INFO", "INFO", "ERROR", "WARN", "WARN", "INFO", "ERROR", "ERROR"]);
}

// COR-10
#[tokio::test]
async fn nothing_that_a_caller_sends_forges_a_line_or_tells_a_secret() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::INFO);
    let request = Request::builder()
        .method(Method::from_bytes("M".repeat(10_000).as_bytes()).unwrap())
        .uri("/reset/hush-path?token=hush-query")
        .header("authorization", "Bearer hush-header")
        .header("cookie", "session=hush-cookie")
        .header("x-correlation-id", "hush-unchecked")
        .body(())
        .unwrap();
    let handler = service_fn(|request: Request<()>| async move {
        let notes = request.extensions().get::<Notes>().unwrap();
        notes.write(|noted| noted.user_id = Some("eve\n{\"level\":\"INFO\"}\u{2028}\u{9b}".into()));
        Ok::<_, Infallible>(ok())
    });
    drain(&mut RequestLogLayer::new().layer(handler).oneshot(request).await.unwrap().into_body());
    let line = lines.one();
    assert_eq!(line["user_id"], r#"eve\u{a}{"level":"INFO"}\u{2028}\u{9b}"#);
    assert_eq!(line["method"].as_str().unwrap().len(), 256);
    assert!(!lines.text().contains("hush"), "{line}");
}

#[tokio::test]
async fn a_line_lies_below_the_span_in_which_the_request_came() {
    let lines = Lines::default();
    let _guard = lines.keep(LevelFilter::INFO);
    let response = answer(&RequestLogLayer::new(), get(), ok()).instrument(info_span!("request", id = 7)).await;
    assert_eq!(lines.text(), "");
    drain(&mut response.into_body());
    assert_eq!(lines.one()["span"], json!({ "name": "request", "id": 7 }));
}

#[tokio::test]
async fn a_stream_is_announced_if_asked_for() {
    let (lines, records) = (Lines::default(), Records::default());
    let _guard = lines.keep(LevelFilter::INFO);
    let stream = || {
        let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
        response.body(script(&[Step::Data("data: 1\n\n")])).unwrap()
    };
    let layer = records.layer().announce_streams();
    let mut body = answer(&layer, get(), stream()).await.into_body();
    assert_eq!(
        (lines.one()["message"].clone(), lines.one()["outcome"].clone()),
        ("request_streaming".into(), "streaming".into())
    );
    let _ = poll(&mut body);
    drop(body);
    ask(&layer, get(), ok()).await;
    ask(&records.layer(), get(), stream()).await;
    let messages: Vec<_> = lines.all().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, ["request_streaming", "request_finished", "request_finished", "request_finished"]);
    assert_eq!(records.outcomes(), [Outcome::ClientLeft, Outcome::Answered, Outcome::Answered]);
}

/// Panics at every event.
struct Fragile;

impl Subscriber for Fragile {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        panic!("in the subscriber");
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn what_panics_while_a_line_is_written_does_not_harm_the_request() {
    let _guard = subscribe(Fragile);
    let answered = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(ok())));
    let run = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut body = run.block_on(RequestLogLayer::new().layer(answered).oneshot(get())).unwrap().into_body();
    assert!(poll(&mut body).is_ready());

    // Not even while another panic is under way, where a second one would end the process.
    let layer = RequestLogLayer::new().on_request(|_| panic!("in the hook"));
    let pending = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Script>, ()>>());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _future = layer.layer(pending).call(get());
        panic!("the first");
    }));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the first");
}

#[test]
fn a_layer_shows_its_settings() {
    let layer = RequestLogLayer::new().target("access").level(Level::DEBUG).route(|_| None);
    assert_eq!(
        format!("{layer:?}"),
        "RequestLogLayer { settings: Settings { target: \"access\", level: \"DEBUG\", route: true, on_request: false, \
         announce_streams: false } }"
    );
}
