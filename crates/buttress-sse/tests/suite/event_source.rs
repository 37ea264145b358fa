//! The client over a scripted service: when it asks, what it asks, and what it tells.

use std::{
    error::Error,
    future::poll_fn,
    num::NonZeroU32,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use buttress_sse::{DecodeError, EventSource, EventSourceErrorKind as Kind, Signal};
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, Request, StatusCode};
use tokio::time::{Instant, timeout};

use crate::scripted::{
    Answer, Piece, Scripted, ScriptedBody, data, events, get, quiet, source, source_of, status, stream, told,
    with_header,
};

const EVENT: &str = "data: x\n\n";

async fn poll_once<S: Stream>(mut source: Pin<&mut S>) -> Poll<Option<S::Item>> {
    poll_fn(|cx| Poll::Ready(source.as_mut().poll_next(cx))).await
}

fn between(wait: u64, least: u64, most: u64) {
    assert!((least..=most).contains(&wait), "{wait} ms is not within {least} to {most} ms");
}

#[test]
fn an_event_source_is_as_sendable_as_what_it_is_made_of() {
    fn is_send_sync<T: Send + Sync + 'static>() {}
    is_send_sync::<EventSource<Scripted, String, ScriptedBody>>();
    is_send_sync::<Signal>();
}

// SSE-20
#[tokio::test(start_paused = true)]
async fn a_first_request_says_what_it_wants_and_claims_no_id() {
    let (source, log) = source([]);
    assert!(told(source).await.error.is_none());
    let requests = log.requests();
    assert_eq!((requests.len(), requests[0].method().as_str()), (1, "GET"));
    assert_eq!(requests[0].headers().len(), 2);
    assert_eq!(log.headers("accept"), [Some("text/event-stream".into())]);
    assert_eq!(log.headers("cache-control"), [Some("no-cache".into())]);
}

// SSE-20; LaunchDarkly: custom headers
#[tokio::test(start_paused = true)]
async fn headers_of_the_caller_are_kept_and_sent_each_time() {
    let mut request = get();
    request.headers_mut().insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
    request.headers_mut().insert("x-tenant", HeaderValue::from_static("a"));
    request.extensions_mut().insert(7_u8);
    let (source, log) = source_of(request, [events(EVENT), Answer::Error]);
    told(source).await;
    assert_eq!(log.headers("accept"), vec![Some("application/json, text/event-stream".to_owned()); 3]);
    assert_eq!(log.headers("x-tenant"), vec![Some("a".to_owned()); 3]);
    assert!(log.requests().iter().all(|request| request.extensions().get::<u8>() == Some(&7)));
}

// SSE-21; LaunchDarkly: sends the last id, id of an earlier event, id emptied
#[tokio::test(start_paused = true)]
async fn the_last_committed_id_goes_with_every_later_request() {
    let answers = [
        events("id: 1\ndata: a\n\ndata: b\n\n"),
        status(503),
        events("id: 2\n\nid: 3\ndata: cut"),
        events("id: é\ndata: c\n\n"),
        events("id\ndata: d\n\n"),
    ];
    let (source, log) = source(answers);
    let told = told(source).await;
    assert_eq!(told.data(), ["a", "b", "c", "d"]);
    let ids = [None, Some("1"), Some("1"), Some("2"), Some("é"), None];
    assert_eq!(log.headers("last-event-id"), ids.map(|id| id.map(str::to_owned)));
}

// SSE-20, SSE-21; LaunchDarkly: initial Last-Event-Id
#[tokio::test(start_paused = true)]
async fn an_id_of_the_callers_own_is_the_seed() {
    let mut request = get();
    request.headers_mut().insert("last-event-id", HeaderValue::from_static("7"));
    let (source, log) = source_of(request, [events(EVENT), events("id: 8\n\n"), events("id\n\n")]);
    assert_eq!(source.last_event_id(), "7");
    let told = told(source).await;
    assert_eq!(told.messages[0].id(), "7");
    assert_eq!(log.headers("last-event-id"), [Some("7"), Some("7"), Some("8"), None].map(|id| id.map(str::to_owned)));
}

// SSE-21
#[tokio::test(start_paused = true)]
async fn an_id_that_no_header_can_carry_is_an_error_and_not_a_gap() {
    let (source, log) = source([events("id: \u{1}\ndata: a\n\n")]);
    let told = told(source).await;
    assert_eq!(told.error.unwrap().kind(), Kind::LastEventId);
    assert_eq!(log.requests().len(), 1);
}

// SSE-22; WPT format-mime-*
#[tokio::test(start_paused = true)]
async fn another_media_type_ends_for_good() {
    for bad in ["text/x-bogus", "text/html", ""] {
        let (source, log) = source([with_header(200, "content-type", bad)]);
        let told = told(source).await;
        assert_eq!((told.error.unwrap().kind(), told.opened, log.requests().len()), (Kind::MediaType, 0, 1), "{bad}");
    }
    let (source, _) = source([with_header(200, "content-type", "text/event-stream;")]);
    assert_eq!(told(source).await.opened, 1);
}

// SSE-23; WPT eventsource-close
#[tokio::test(start_paused = true)]
async fn no_content_ends_without_an_error() {
    let (source, log) = source([events(EVENT), status(204), events(EVENT)]);
    let told = told(source).await;
    assert!(told.error.is_none());
    assert_eq!((told.messages.len(), log.requests().len()), (1, 2));
}

// SSE-24; WPT request-redirect; LaunchDarkly redirects
#[tokio::test(start_paused = true)]
async fn redirects_are_followed_and_not_remembered() {
    for code in [301, 302, 303, 307, 308] {
        let answers = [with_header(code, "location", "../a"), with_header(code, "location", "/b?c"), events(EVENT)];
        let (source, log) = source(answers);
        let told = told(source).await;
        assert_eq!(told.data(), ["x"]);
        let home = "https://example.com/jobs/events?n=1";
        assert_eq!(log.uris(), [home, "https://example.com/a", "https://example.com/b?c", home], "{code}");
        assert_eq!(log.waits()[..2], [0, 0]);
    }
}

// SSE-24; LaunchDarkly: empty or missing Location
#[tokio::test(start_paused = true)]
async fn a_redirect_to_nowhere_or_without_end_is_an_error() {
    for code in [301, 302, 303, 307, 308] {
        for answer in [status(code), with_header(code, "location", ""), with_header(code, "location", "ftp://a")] {
            let (source, log) = source([answer]);
            assert_eq!(told(source).await.error.unwrap().kind(), Kind::Redirect, "{code}");
            assert_eq!(log.requests().len(), 1);
        }
    }
    let (source, log) = source((0..20).map(|_| with_header(307, "location", "/again")));
    assert_eq!(told(source).await.error.unwrap().kind(), Kind::Redirect);
    assert_eq!(log.requests().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn another_origin_sees_no_credentials_not_even_after_a_way_back() {
    let mut request = get();
    let mut secret = HeaderValue::from_static("k");
    secret.set_sensitive(true);
    request.headers_mut().insert("x-api-key", secret);
    for name in ["authorization", "cookie", "x-open", "last-event-id"] {
        request.headers_mut().insert(name, HeaderValue::from_static("v"));
    }
    let answers = [
        with_header(307, "location", "/near"),
        with_header(307, "location", "http://example.com/plain"),
        with_header(307, "location", "https://example.com/home"),
        events("id: v\ndata: x\n\n"),
    ];
    let (source, log) = source_of(request, answers);
    told(source).await;
    let (near, far) = (Some("v".to_owned()), None);
    for name in ["authorization", "cookie"] {
        assert_eq!(log.headers(name), [&near, &near, &far, &far, &near].map(Clone::clone), "{name}");
    }
    assert_eq!(log.headers("x-api-key").iter().filter(|key| key.is_some()).count(), 3);
    for name in ["x-open", "last-event-id", "accept"] {
        assert!(log.headers(name).iter().all(Option::is_some), "{name}");
    }
}

// SSE-25; WPT request-status-error
#[tokio::test(start_paused = true)]
async fn trouble_that_may_pass_is_tried_again_and_a_refusal_is_final() {
    for code in [429, 500, 502, 503, 504] {
        let (source, log) = source([status(code), events(EVENT)]);
        let told = told(source).await;
        let kind = Kind::Status(StatusCode::from_u16(code).unwrap());
        assert_eq!((told.lost[0].cause().kind(), told.data()), (kind, vec!["x"]), "{code}");
        between(log.waits()[0], 3_000, 3_600);
    }
    for code in [201, 205, 210, 299, 400, 401, 403, 404, 408, 410] {
        let (source, log) = source([status(code)]);
        let kind = Kind::Status(StatusCode::from_u16(code).unwrap());
        assert_eq!(told(source).await.error.unwrap().kind(), kind);
        assert_eq!(log.requests().len(), 1);
    }
}

// SSE-25
#[tokio::test(start_paused = true)]
async fn which_statuses_are_tried_again_is_for_the_caller_to_say() {
    let (first, _) = source([status(404), events(EVENT)]);
    assert_eq!(told(first.retry_status(|status| status == StatusCode::NOT_FOUND)).await.data(), ["x"]);
    let (second, _) = source([status(503), events(EVENT)]);
    assert!(told(second.retry_status(|_| false)).await.error.is_some());
}

// SSE-25
#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for() {
    let (source, log) = source([with_header(429, "retry-after", "7"), events(EVENT)]);
    let told = told(source).await;
    assert_eq!(told.lost[0].attempt(), 1);
    between(told.lost[0].delay().as_millis() as u64, 7_000, 7_600);
    between(log.waits()[0], 7_000, 7_601);
}

// SSE-26, SSE-30; WPT eventsource-reconnect; LaunchDarkly: second connection works
#[tokio::test(start_paused = true)]
async fn every_kind_of_loss_is_told_and_followed_by_a_reconnect_after_three_seconds() {
    let cut = || stream([data(EVENT), Piece::Error]);
    let silent = || stream([data(EVENT), Piece::Hang]);
    let good = [(events(EVENT), Kind::Ended), (cut(), Kind::Cut), (silent(), Kind::Silence)];
    let bad = [(Answer::Error, Kind::Transport), (Answer::Never, Kind::Silence)];
    for (answer, kind) in good.into_iter().chain(bad) {
        let (source, log) = source([answer, events("data: y\n\n")]);
        let told = told(source.silence(Duration::from_secs(1))).await;
        let (lost, delay) = (&told.lost[0], told.lost[0].delay().as_millis() as u64);
        assert_eq!((lost.cause().kind(), lost.attempt()), (kind, 1));
        assert_eq!(*told.data().last().unwrap(), "y", "{kind:?}");
        between(delay, 3_000, 3_600);
        let silence = if kind == Kind::Silence { 1_000 } else { 0 };
        between(log.waits()[0], silence + delay, silence + delay + 2);
    }
}

// SSE-11; LaunchDarkly: a partial message is dropped
#[tokio::test(start_paused = true)]
async fn what_is_unfinished_when_a_line_is_lost_does_not_run_into_the_next() {
    for end in ["data: half", "data: half\n", "id: 9\nevent: e\ndata: half\n", ": com", "da"] {
        let first = format!("id: 1\ndata: a\n\n{end}");
        let (source, log) = source([events(first), events("data: b\n\n")]);
        let told = told(source).await;
        assert_eq!((told.data(), told.messages[1].name()), (vec!["a", "b"], "message"), "{end}");
        assert_eq!(log.headers("last-event-id")[1].as_deref(), Some("1"));
    }
}

// SSE-3: each line begins with a byte order mark of its own.
#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_is_stripped_from_each_line() {
    let (source, _) = source([events("\u{FEFF}data: a\n\n"), events("\u{FEFF}data: b\n\n")]);
    assert_eq!(told(source).await.data(), ["a", "b"]);
}

// SSE-10, SSE-27; WPT format-field-retry
#[tokio::test(start_paused = true)]
async fn the_time_that_the_server_asks_for_is_kept_over_later_lines() {
    let (source, log) = source([events("retry: 500"), events("retry: 500\n"), events(EVENT), events(EVENT)]);
    told(source).await;
    let waits = log.waits();
    // A line that is cut off says nothing.
    between(waits[0], 3_000, 3_600);
    waits[1..].iter().for_each(|wait| between(*wait, 450, 700));
}

// SSE-26
#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_waited_out_longer_each_time_until_an_event_comes() {
    let bad = || [Answer::Error, status(503), events(": nothing to say\n\n"), stream([Piece::Error])];
    let (source, log) = source(bad().into_iter().chain([events(EVENT)]).chain(bad()));
    let source = source.reconnection_time(Duration::from_secs(1)).max_backoff(Duration::from_secs(5));
    let told = told(source).await;
    let attempts: Vec<_> = told.lost.iter().map(buttress_sse::Lost::attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 1, 2, 3, 4, 5]);
    for (wait, least) in log.waits().into_iter().zip([1_000, 2_000, 4_000, 5_000, 1_000, 2_000, 4_000, 5_000, 5_000]) {
        between(wait, least, least * 3 / 2 + 2);
    }
}

// SSE-26: as when a proxy ends each quiet line after a minute.
#[tokio::test(start_paused = true)]
async fn lines_that_stood_long_without_an_event_are_no_failures() {
    let quiet_line = || stream([quiet(60_000)]);
    let (source, _) = source([quiet_line(), quiet_line(), quiet_line()]);
    assert!(told(source).await.lost.iter().all(|lost| lost.attempt() == 1));
}

// SSE-28; LaunchDarkly: read timeout
#[tokio::test(start_paused = true)]
async fn any_byte_is_a_sign_of_life_and_nothing_else_is() {
    let alive = [data(":"), quiet(900), data(" a"), quiet(900), data("\n"), quiet(900), data(EVENT), quiet(900)];
    let dead = [data(EVENT), quiet(600), data(""), Piece::Trailers, quiet(600), data("data: late\n\n")];
    let (source, _) = source([stream(alive), stream(dead), Answer::Never]);
    let told = told(source.silence(Duration::from_secs(1))).await;
    assert_eq!(told.data(), ["x", "x"]);
    assert_eq!(
        told.lost.iter().map(|lost| lost.cause().kind()).collect::<Vec<_>>(),
        [Kind::Ended, Kind::Silence, Kind::Silence]
    );
}

// SSE-28
#[tokio::test(start_paused = true)]
async fn silence_begins_with_the_last_byte_and_ends_on_time() {
    let (source, log) = source([stream([quiet(700), data(":"), Piece::Hang])]);
    let told = told(source.silence(Duration::from_secs(1)).reconnection_time(Duration::from_secs(2))).await;
    let delay = told.lost[0].delay().as_millis() as u64;
    between(log.waits()[0], 1_700 + delay, 1_702 + delay);
}

#[tokio::test(start_paused = true)]
async fn what_has_come_beats_a_timer_that_is_over_too() {
    let (source, _) = source([stream([quiet(1_000), data(EVENT), Piece::Hang])]);
    let mut source = pin!(source.silence(Duration::from_secs(1)));
    assert!(matches!(source.next().await, Some(Ok(Signal::Opened(_)))));
    assert!(poll_once(source.as_mut()).await.is_pending());
    // Both are due before anybody looks.
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(matches!(source.next().await, Some(Ok(Signal::Message(_)))));
}

// SSE-28
#[tokio::test(start_paused = true)]
async fn the_time_that_the_caller_takes_is_no_silence_of_the_line() {
    let (source, _) = source([stream([data(EVENT), quiet(900), data(EVENT), Piece::Hang])]);
    let mut source = pin!(source.silence(Duration::from_secs(1)));
    for _ in 0..2 {
        source.next().await.unwrap().unwrap();
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(matches!(source.next().await, Some(Ok(Signal::Message(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_silence_without_a_limit_lasts() {
    let (source, log) = source([stream([quiet(1_000_000_000), data(EVENT)])]);
    assert_eq!(told(source.silence(Duration::MAX)).await.data(), ["x"]);
    assert_eq!(log.requests().len(), 2);
}

fn post() -> Request<String> {
    Request::post("https://example.com/chat").header("x-tenant", "a").body("{\"ask\":1}".into()).unwrap()
}

// SSE-29; LaunchDarkly: POST, body resent
#[tokio::test(start_paused = true)]
async fn a_post_is_sent_again_with_all_it_has_if_that_is_allowed() {
    let (source, log) = source_of(post(), [events("id: 1\ndata: a\n\n"), status(503), events("data: b\n\n")]);
    assert_eq!(told(source.resend()).await.data(), ["a", "b"]);
    let requests = log.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!((request.method().as_str(), request.body().as_str()), ("POST", "{\"ask\":1}"));
        assert_eq!(request.headers()["x-tenant"], "a");
    }
    assert_eq!(log.headers("last-event-id")[1].as_deref(), Some("1"));
}

// SSE-29
#[tokio::test(start_paused = true)]
async fn a_post_is_sent_once_unless_that_is_allowed() {
    let cut = stream([data(EVENT), Piece::Error]);
    let table = [(events(EVENT), None), (cut, Some(Kind::Cut)), (Answer::Error, Some(Kind::Transport))];
    for (answer, kind) in table {
        let (source, log) = source_of(post(), [answer]);
        let told = told(source).await;
        assert_eq!((told.error.map(|error| error.kind()), told.lost.len(), log.requests().len()), (kind, 0, 1));
    }
}

// SSE-24, SSE-29
#[tokio::test(start_paused = true)]
async fn a_post_follows_only_redirects_that_keep_it_a_post() {
    for code in [307, 308] {
        let (source, log) = source_of(post(), [with_header(code, "location", "/new"), events(EVENT)]);
        assert_eq!(told(source).await.data(), ["x"]);
        assert_eq!((log.requests()[1].method().as_str(), log.requests()[1].body().as_str()), ("POST", "{\"ask\":1}"));
    }
    for code in [301, 302, 303] {
        let (source, log) = source_of(post(), [with_header(code, "location", "/new")]);
        assert_eq!((told(source).await.error.unwrap().kind(), log.requests().len()), (Kind::Redirect, 1), "{code}");
    }
}

// SSE-13
#[tokio::test(start_paused = true)]
async fn what_is_over_a_limit_is_an_error_or_a_loss_by_choice() {
    let answers = || [events("data: a\n\ndata: far too long\n\n"), events("data: b\n\n")];
    let (first, _) = source(answers());
    let ended = told(first.max_line(10)).await;
    let error = ended.error.as_ref().unwrap();
    assert_eq!((error.kind(), ended.data()), (Kind::TooLong, vec!["a"]));
    assert_eq!(error.source().unwrap().downcast_ref::<DecodeError>().unwrap().limit(), 10);

    let (second, _) = source(answers());
    assert_eq!(told(second.max_event(5).retry_too_long()).await.data(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_by_choice_and_the_last_error_is_told() {
    let (first, log) = source([Answer::Error, status(503), Answer::Error, events(EVENT)]);
    let ended = told(first.max_attempts(NonZeroU32::new(3).unwrap())).await;
    let error = ended.error.unwrap();
    assert_eq!((error.kind(), ended.lost.len(), log.requests().len()), (Kind::Transport, 2, 3));
    assert_eq!(error.source().unwrap().to_string(), "no route");

    let (second, log) = source([events(EVENT)]);
    assert_eq!(told(second.max_attempts(NonZeroU32::MIN)).await.error.unwrap().kind(), Kind::Ended);
    assert_eq!(log.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_its_level_and_keeps_its_cause() {
    let (source, _) = source([stream([Piece::Error])]);
    let told = told(source).await;
    let cause = told.lost[0].cause();
    assert_eq!(cause.to_string(), "the event stream was cut");
    assert_eq!(cause.source().unwrap().to_string(), "reset by peer");
}

// WPT eventsource-close, eventsource-request-cancellation
#[tokio::test(start_paused = true)]
async fn a_close_stops_all_in_every_state() {
    let answers =
        || [Answer::Error, with_header(307, "location", "/b"), stream([data(EVENT), data(EVENT), Piece::Hang])];
    for items in 0..4 {
        let (source, log) = source(answers());
        let mut source = pin!(source);
        for _ in 0..items {
            source.next().await.unwrap().unwrap();
        }
        // In the middle of whatever comes next.
        let _ = timeout(Duration::from_millis(1), source.next()).await;
        let asked = log.requests().len();
        source.as_mut().close();
        assert!(source.next().await.is_none());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(source.next().await.is_none());
        assert_eq!(log.requests().len(), asked);
    }
}

/// One poll after another, with the clock moved where nothing is ready.
#[tokio::test(start_paused = true)]
async fn a_source_dropped_at_any_poll_asks_no_more_and_knows_what_it_handed_out() {
    let answers = || {
        [
            Answer::Error,
            stream([data("id: 1\nda"), quiet(10), data("ta: a\n\n"), Piece::Error]),
            events("id: 2\ndata: b\n\n"),
        ]
    };
    let mut ends = Vec::new();
    for polls in 0..40 {
        let (source, log) = source(answers());
        let mut source = Box::pin(source);
        let mut last = String::new();
        for _ in 0..polls {
            match poll_once(source.as_mut()).await {
                Poll::Ready(Some(Ok(Signal::Message(message)))) => last = message.id().to_owned(),
                Poll::Ready(_) => {}
                Poll::Pending => tokio::time::advance(Duration::from_secs(1)).await,
            }
        }
        assert_eq!(source.last_event_id(), last);
        let asked = log.requests().len();
        drop(source);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(log.requests().len(), asked);
        ends.push(last);
    }
    ends.dedup();
    assert_eq!(ends, ["", "1", "2"]);
}

// SSE-26
#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_before_the_first_poll_and_no_sooner_than_said() {
    let (source, log) = source([Answer::Error]);
    let mut source = pin!(source);
    assert!(log.requests().is_empty());
    let Some(Ok(Signal::Lost(lost))) = source.next().await else { panic!("the first answer is an error") };
    let due = Instant::now() + lost.delay();
    assert!(source.next().await.is_none());
    assert!(Instant::now() >= due && log.requests().len() == 2);
}

/// A service that has failed, or takes for ever to get ready.
#[derive(Debug)]
struct Unready(Poll<&'static str>);

impl tower_service::Service<Request<String>> for Unready {
    type Response = http::Response<String>;
    type Error = crate::scripted::Failure;
    type Future = std::future::Pending<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.map(|why| Err(crate::scripted::Failure(why)))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        panic!("called without being ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_will_never_be_ready_again_is_final() {
    let mut source = pin!(EventSource::new(Unready(Poll::Ready("shut down")), get()));
    let error = source.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.source().unwrap().to_string().as_str()), (Kind::NotReady, "shut down"));
    assert!(source.next().await.is_none());
}

// SSE-28
#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_get_ready_is_silence_too() {
    let mut source = pin!(EventSource::new(Unready(Poll::Pending), get()).silence(Duration::from_secs(1)));
    let began = Instant::now();
    let lost = timeout(Duration::from_secs(2), source.next()).await;
    let Ok(Some(Ok(Signal::Lost(lost)))) = lost else { panic!("{lost:?}") };
    assert_eq!((lost.cause().kind(), began.elapsed().as_secs()), (Kind::Silence, 1));
}
