use std::time::Duration;

use buttress_core::{CorrelationId, Problem, ProblemCode};
use buttress_idempotency::{BoxError, Effect, EventKind, RecordKey, Retention, Seal, Verdict};
use bytes::Bytes;
use http::{HeaderName, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::advance;
use tower::ServiceExt;

use crate::common::{Events, Far, Handler, Script, Step, layer, layer_over, over, post, send};

const SECOND: Duration = Duration::from_secs(1);

fn body(script: fn() -> Script) -> Handler {
    Handler::with(move || Response::new(script()))
}

// IDM-15
#[tokio::test]
async fn what_is_recorded_goes_by_the_status() {
    let kept = [200, 201, 202, 204, 301, 303, 400, 402, 404, 410, 413, 422, 451];
    let released = [401, 403, 408, 409, 425, 429];
    let doubted = [500, 501, 502, 503, 504, 599];
    for status in kept {
        let handler = Handler::status(status);
        let service = over(&layer(), &handler);
        send(&service, post("a", "x")).await;
        let again = send(&service, post("a", "x")).await;
        assert_eq!((again.status, again.is_replay(), handler.runs()), (status, true, 1), "{status}");
    }
    for (statuses, effect, expected) in
        [(&released[..], Effect::Outside, 2), (&doubted[..], Effect::Outside, 1), (&doubted[..], Effect::None, 2)]
    {
        for status in statuses {
            let handler = Handler::status(*status);
            let service = over(&layer().effect(effect), &handler);
            assert_eq!(send(&service, post("a", "x")).await.status, *status);
            let again = send(&service, post("a", "x")).await;
            assert_eq!((again.is_replay(), handler.runs()), (false, expected), "{status} {effect:?}");
            assert_eq!(again.status, if expected == 2 { *status } else { 409 }, "{status} {effect:?}");
        }
    }
}

// IDM-15
#[tokio::test]
async fn what_a_layer_refused_or_may_be_retried_frees_the_key() {
    const CODE: ProblemCode = ProblemCode::new("no");
    const UNCERTAIN: ProblemCode = ProblemCode::new("operation_uncertain");
    let of = |status: u16, code| Problem::new(StatusCode::from_u16(status).unwrap(), code, "no");
    let table = [
        (of(422, CODE), 1),
        (of(422, CODE).refused_by("validation"), 2),
        (of(422, CODE).may_retry(), 2),
        (of(503, CODE).retry_after(SECOND), 2),
        (of(500, CODE).refused_by("circuit_breaker"), 2),
        (of(500, CODE), 1),
        // 409 frees the key, but not with the code that says that nobody knows.
        (of(409, CODE), 2),
        (of(409, UNCERTAIN), 1),
    ];
    for (problem, runs) in table {
        let told = problem.clone();
        let handler = Handler::with(move || {
            let mut response = Response::new(Script::text("no"));
            *response.status_mut() = told.status();
            response.extensions_mut().insert(told.clone());
            response
        });
        let service = over(&layer(), &handler);
        send(&service, post("a", "x")).await;
        send(&service, post("a", "x")).await;
        assert_eq!(handler.runs(), runs, "{problem:?}");
    }
}

// IDM-15
#[tokio::test]
async fn the_word_of_the_handler_outweighs_the_status() {
    for (status, verdict, runs, then) in [
        (502, Verdict::Release, 2, 502),
        (500, Verdict::Keep, 1, 500),
        (200, Verdict::Release, 2, 200),
        (202, Verdict::Doubt, 1, 409),
        (409, Verdict::Doubt, 1, 409),
    ] {
        let handler = Handler::with(move || {
            let mut response = Response::new(Script::text("?"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.extensions_mut().insert(verdict);
            response
        });
        let service = over(&layer(), &handler);
        send(&service, post("a", "x")).await;
        assert_eq!((send(&service, post("a", "x")).await.status, handler.runs()), (then, runs), "{status} {verdict:?}");
    }
}

// IDM-28: whoever renders problems further out renders a replay as it did the first answer.
#[tokio::test]
async fn the_problem_of_an_answer_is_replayed_with_it() {
    const TEAPOT: ProblemCode = ProblemCode::new("short_and_stout");
    let problem = || Problem::new(StatusCode::IM_A_TEAPOT, TEAPOT, "no \"coffee\"").detail("tip", true);
    let handler = Handler::with(move || {
        let mut response = Response::new(Script::text("no"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response.extensions_mut().insert(problem());
        response
    });
    let service = over(&layer(), &handler);
    for replayed in [false, true] {
        let response = service.clone().oneshot(post("a", "x")).await.unwrap();
        assert_eq!(response.headers().contains_key("idempotency-replayed"), replayed);
        assert_eq!(response.extensions().get::<Problem>(), Some(&problem()));
        response.into_body().collect().await.unwrap();
    }
}

// IDM-16
#[tokio::test]
async fn headers_are_recorded_by_a_list_that_secrets_are_never_on() {
    let handler = Handler::with(|| {
        let names = ["set-cookie", "authorization", "connection", "date", "x-correlation-id", "ratelimit", "x-kept"];
        let answer = names.into_iter().fold(Response::builder(), |answer, name| answer.header(name, "x-hop"));
        answer.header("x-hop", "1").header("etag", "\"1\"").body(Script::text("x")).unwrap()
    });
    let layer = layer();
    assert!(layer.clone().keep_header(http::header::SET_COOKIE).is_err());
    assert!(layer.clone().keep_header(CorrelationId::HEADER).is_err());
    let layer = layer.keep_header(HeaderName::from_static("x-kept")).unwrap();
    let service = over(&layer.keep_header(HeaderName::from_static("x-hop")).unwrap(), &handler);
    assert_eq!(send(&service, post("a", "x")).await.headers.len(), 9, "the first answer has all of them");
    let again = send(&service, post("a", "x")).await;
    let names: Vec<_> = again.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(again.is_replay() && again.header("etag") == Some("\"1\"") && again.header("x-kept") == Some("x-hop"));
}

// IDM-28
#[tokio::test]
async fn a_replayed_failure_says_that_a_retry_is_of_no_use() {
    for (status, said) in [(422, Some("false")), (200, None)] {
        let service = over(&layer(), &Handler::status(status));
        assert_eq!(send(&service, post("a", "x")).await.header("x-should-retry"), None);
        assert_eq!(send(&service, post("a", "x")).await.header("x-should-retry"), said);
    }
}

// IDM-17
#[tokio::test]
async fn an_answer_that_is_too_long_is_delivered_and_a_retry_is_told_so() {
    let known: fn() -> Script = || Script::new([Step::Big(2_000)]).promising(2_000);
    let unknown: fn() -> Script = || Script::new([Step::Big(600), Step::Big(600), Step::Data("end")]);
    for (script, length) in [(known, 2_000), (unknown, 1_203)] {
        let handler = body(script);
        let events = Events::default();
        let service = over(&layer().answer_limit(1_000).unwrap().on_event(events.hook()), &handler);
        assert_eq!(send(&service, post("a", "x")).await.body.len(), length);
        let again = send(&service, post("a", "x")).await;
        assert_eq!((again.status, again.code().as_str(), handler.runs()), (409, "result_unavailable", 1));
        assert_eq!(again.json()["details"]["safeNewKey"], false);
        assert_eq!(again.json()["retryable"], false);
        assert!(events.has(EventKind::RecordedBare));
        assert_eq!(send(&service, post("a", "y")).await.status, 422);
    }
}

// IDM-17
#[tokio::test]
async fn event_streams_and_upgrades_are_never_recorded_and_known_as_done_from_their_head_on() {
    let stream = Handler::with(|| {
        let answer = Response::builder().header("content-type", "Text/Event-Stream; charset=utf-8");
        answer.body(Script::new([Step::Data("data: 1\n\n"), Step::Hang])).unwrap()
    });
    let upgrade = Handler::with(|| Response::builder().status(101).body(Script::new([])).unwrap());
    for handler in [stream, upgrade] {
        let service = over(&layer(), &handler);
        let open = service.clone().oneshot(post("a", "x")).await.unwrap();
        let again = send(&service, post("a", "x")).await;
        assert_eq!((again.code().as_str(), handler.runs()), ("result_unavailable", 1));
        drop(open);
        assert_eq!(send(&service, post("a", "x")).await.code(), "result_unavailable");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_gets_its_bytes_at_once() {
    let handler = body(|| Script::new([Step::Data("one"), Step::Sleep(10 * SECOND), Step::Data("two")]));
    let service = over(&layer(), &handler);
    let mut response = service.clone().oneshot(post("a", "x")).await.unwrap();
    let start = tokio::time::Instant::now();
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!((frame.into_data().unwrap(), start.elapsed()), (Bytes::from("one"), Duration::ZERO));
    assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "two");
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!(send(&service, post("a", "x")).await.body, "onetwo");
}

#[tokio::test]
async fn hints_of_the_body_are_kept_and_those_of_a_replay_are_exact() {
    let service = over(&layer(), &body(|| Script::text("hello")));
    let first = service.clone().oneshot(post("a", "x")).await.unwrap();
    assert_eq!((first.body().size_hint().exact(), first.body().is_end_stream()), (Some(5), false));
    let mut first = first.into_body();
    first.frame().await.unwrap().unwrap();
    assert!(
        first.is_end_stream() && first.frame().await.is_none(),
        "it ends with the last frame, and is not polled again"
    );
    let again = service.oneshot(post("a", "x")).await.unwrap();
    assert_eq!(again.body().size_hint().exact(), Some(5));
}

#[tokio::test]
async fn a_reader_that_stops_at_the_last_frame_has_a_recorded_answer() {
    let service = over(&layer(), &body(|| Script::text("hello")));
    let mut first = service.clone().oneshot(post("a", "x")).await.unwrap();
    first.body_mut().frame().await.unwrap().unwrap();
    let again = send(&service, post("a", "x")).await;
    assert!(again.is_replay(), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_at_the_last_frame_of_an_answer_that_is_too_long_finds_it_done() {
    let layer = layer_over(Far::new()).answer_limit(4).unwrap();
    let service = over(&layer, &body(|| Script::new([Step::Data("hello")]).telling_end()));
    let mut first = service.clone().oneshot(post("a", "x")).await.unwrap();
    assert_eq!(first.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    assert_eq!(send(&service, post("a", "x")).await.code(), "result_unavailable");
}

#[tokio::test]
async fn an_empty_answer_is_recorded_although_nobody_reads_it() {
    let handler = Handler::with(|| Response::builder().status(204).body(Script::default().telling_end()).unwrap());
    let service = over(&layer(), &handler);
    drop(service.clone().oneshot(post("a", "x")).await.unwrap());
    let again = send(&service, post("a", "x")).await;
    assert_eq!((again.status, again.is_replay(), again.body.as_str()), (204, true, ""));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_done_but_cannot_be_replayed() {
    let fails: fn() -> Script = || Script::new([Step::Data("half"), Step::Fail]);
    let short: fn() -> Script = || Script::new([Step::Data("half")]).promising(8);
    for script in [fails, short] {
        let handler = body(script);
        let service = over(&layer(), &handler);
        let response = service.clone().oneshot(post("a", "x")).await.unwrap();
        let _ = response.into_body().collect().await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "result_unavailable");
        assert_eq!(handler.runs(), 1);
    }
}

// IDM-18
#[tokio::test(start_paused = true)]
async fn an_answer_expires_before_its_key_and_nothing_runs_in_between() {
    let handler = Handler::numbered();
    let retention = Retention::new(24 * 3_600 * SECOND, 48 * 3_600 * SECOND).unwrap();
    let service = over(&layer().retention(retention), &handler);
    send(&service, post("a", "x")).await;
    advance(24 * 3_600 * SECOND - Duration::from_millis(1)).await;
    assert!(send(&service, post("a", "x")).await.is_replay());
    advance(Duration::from_millis(1)).await;
    assert_eq!(send(&service, post("a", "x")).await.code(), "result_expired");
    assert_eq!(send(&service, post("a", "y")).await.code(), "idempotency_mismatch");
    advance(24 * 3_600 * SECOND).await;
    assert_eq!((send(&service, post("a", "x")).await.body.as_str(), handler.runs()), ("run 2", 2));
}

// IDM-18
#[test]
fn answers_are_kept_for_a_day_unless_said_otherwise_and_bad_terms_are_refused() {
    assert_eq!(Retention::default().answer(), 24 * 3_600 * SECOND);
    assert!(Retention::default().key() > Retention::default().answer());
    assert!(Retention::new(Duration::ZERO, SECOND).is_err());
    assert!(Retention::new(2 * SECOND, SECOND).is_err());
    assert!(Retention::new(SECOND, Duration::MAX).is_err());
}

/// It shows what a cipher would get and give.
struct Mask;

impl Seal for Mask {
    fn seal(&self, key: &RecordKey, plain: Vec<u8>) -> Result<Bytes, BoxError> {
        if plain.windows(5).any(|part| part == b"leave") {
            return Err("no".into());
        }
        Ok(plain.into_iter().map(|byte| byte ^ key.as_bytes()[0] ^ 0x55).collect())
    }

    fn open(&self, key: &RecordKey, sealed: Bytes) -> Result<Bytes, BoxError> {
        if sealed.len() > 500 {
            return Err("no".into());
        }
        Ok(sealed.into_iter().map(|byte| byte ^ key.as_bytes()[0] ^ 0x55).collect())
    }
}

#[tokio::test]
async fn what_is_sealed_lies_in_no_store_and_what_cannot_be_opened_runs_nothing() {
    use buttress_idempotency::{IdempotencyStore, Kept, State};

    let handler = Handler::new(|run, _| async move {
        Ok(Response::new(match run {
            1 => Script::text("a secret"),
            2 => Script::text("leave me"),
            _ => Script::new([Step::Big(600)]),
        }))
    });
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = seen.clone();
    let layer = layer().seal(Mask).on_event(move |event| hook.lock().unwrap().extend(event.operation));
    let service = over(&layer, &handler);
    for (key, expected) in [("a", 200), ("b", 409), ("c", 409)] {
        send(&service, post(key, "x")).await;
        assert_eq!(send(&service, post(key, "x")).await.status, expected, "{key}");
    }
    assert_eq!(send(&service, post("a", "x")).await.body, "a secret");
    assert_eq!(handler.runs(), 3);
    let first = seen.lock().unwrap()[0];
    let Some(State::Done(Kept::Whole(sealed), _)) =
        layer.store().look(&first).await.unwrap().map(|record| record.state)
    else {
        panic!("the first one is there")
    };
    assert!(!sealed.windows(6).any(|part| part == b"secret"));
}
