use buttress_sse::{Event, EventId, EventName, Heartbeat, HeartbeatBody, HeartbeatFuture, HeartbeatLayer, Heartbeats};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::{collection::vec, prelude::*};
use std::{
    convert::Infallible,
    mem::size_of,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{task::yield_now, time::advance};
use tower::{Layer, Service};

use crate::{
    common::{create, decode, log, message, play, with_no_budget},
    script::{Got, Heard, Script, Scripted, answer_to, event_stream, said, through},
};

const INTERVAL: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(1);
const BEAT: &str = ":\n\n";

fn quiet() -> HeartbeatLayer {
    HeartbeatLayer::default().without_opening()
}

/// A stream that has begun, and waits.
fn begun(layer: &HeartbeatLayer, beginning: &'static str) -> (Script, Heard<Scripted>) {
    let script = Script::default();
    script.send(beginning);
    let mut heard = Heard::new(layer, &script);
    assert_eq!(heard.poll(), said(beginning));
    assert_eq!(heard.poll(), Got::Pending);
    (script, heard)
}

// SSE-43, SSE-44
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_silent_on_a_border_gets_a_comment_after_each_interval() {
    let (_script, mut heard) = begun(&quiet(), "data: x\n\n");
    for beats in 1..4 {
        advance(INTERVAL - TICK).await;
        assert_eq!(heard.poll(), Got::Pending);
        advance(TICK).await;
        assert_eq!(heard.wakes(), beats);
        assert_eq!(heard.poll(), said(BEAT));
        assert_eq!(heard.poll(), Got::Pending);
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_after_a_burst_gets_its_heartbeat() {
    let script = Script::default();
    script.send("data: x\n\n");
    let mut heard = Heard::new(&quiet(), &script);
    with_no_budget(|| {
        assert_eq!(heard.poll(), said("data: x\n\n"));
        assert_eq!(heard.poll(), Got::Pending);
    })
    .await;
    yield_now().await;
    assert_eq!(heard.poll(), Got::Pending);
    let wakes = heard.wakes();
    advance(INTERVAL).await;
    assert_eq!(heard.wakes(), wakes + 1);
    assert_eq!(heard.poll(), said(BEAT));
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn an_answer_with_a_heartbeat_of_its_own_gets_that_one() {
    let script = Script::default();
    let mut answer = event_stream(script.body());
    answer.extensions_mut().insert(Heartbeat::every(TICK).unwrap().event(|| Event::data("of stream 7")));
    let answer = through(&quiet(), answer);
    assert!(answer.extensions().get::<Heartbeat>().is_none(), "no layer outside of this one sends it again");
    let mut heard = Heard::of(answer.into_body());
    assert_eq!(heard.poll(), Got::Pending);
    for _ in 0..3 {
        advance(TICK).await;
        assert_eq!(heard.poll(), said("data: of stream 7\n\n"));
        assert_eq!(heard.poll(), Got::Pending);
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn inside_an_event_there_is_no_heartbeat_however_long_it_takes() {
    for part in
        ["data: x\n", "data", "data: x\r\n", "data: x\r", ": comment\n", "\u{feff}data: x\n", "data: x\n\nid: 7\n"]
    {
        let (script, mut heard) = begun(&quiet(), part);
        advance(INTERVAL * 10).await;
        assert_eq!(heard.poll(), Got::Pending, "{part:?}");
        script.send("\r\n\r\n");
        assert_eq!(heard.poll(), said("\r\n\r\n"));
        assert_eq!(heard.poll(), Got::Pending);
        // The silence begins with the last bytes.
        advance(INTERVAL - TICK).await;
        assert_eq!(heard.poll(), Got::Pending);
        advance(TICK).await;
        assert_eq!(heard.poll(), said(BEAT), "{part:?}");
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn a_border_is_seen_when_line_ends_come_apart() {
    let (script, mut heard) = begun(&quiet(), "data: x\r");
    for piece in ["\n", "\r"] {
        advance(INTERVAL * 2).await;
        assert_eq!(heard.poll(), Got::Pending);
        script.send(piece);
        assert_eq!(heard.poll(), said(piece));
        assert_eq!(heard.poll(), Got::Pending);
    }
    advance(INTERVAL).await;
    assert_eq!(heard.poll(), said(BEAT));
    // The LF of the last CRLF, after the heartbeat: a blank line more.
    script.send("\ndata: y\n\n");
    assert_eq!(heard.poll(), said("\ndata: y\n\n"));
    let all = ["data: x\r", "\n", "\r", BEAT, "\ndata: y\n\n"].concat();
    assert_eq!(decode([all.as_bytes()]), [message("x", ""), crate::common::comment(), message("y", "")]);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn bytes_begin_the_silence_anew_and_go_before_a_heartbeat_that_is_due() {
    let (script, mut heard) = begun(&quiet(), "data: x\n\n");
    for _ in 0..3 {
        advance(INTERVAL - TICK).await;
        script.send(": theirs\n\n");
        assert_eq!(heard.poll(), said(": theirs\n\n"));
        assert_eq!(heard.poll(), Got::Pending);
    }
    advance(INTERVAL).await;
    script.send("data: y\n\n");
    assert_eq!(heard.poll(), said("data: y\n\n"));
    assert_eq!(heard.poll(), Got::Pending);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn heartbeats_stop_with_the_stream_and_its_end_is_not_polled_again() {
    let (script, mut heard) = begun(&quiet(), "data: x\n\n");
    script.end();
    assert!(heard.body.is_end_stream());
    assert_eq!(heard.poll(), Got::End);
    advance(INTERVAL * 3).await;
    assert_eq!((heard.poll(), heard.body.is_end_stream()), (Got::End, true));
    assert!(!script.was_polled_after_its_end());
}

#[tokio::test(start_paused = true)]
async fn an_error_passes_and_is_the_last_word() {
    let (script, mut heard) = begun(&quiet(), "data: x\n\n");
    script.fail();
    assert_eq!(heard.poll(), Got::Broken);
    advance(INTERVAL * 3).await;
    assert_eq!((heard.poll(), heard.body.is_end_stream()), (Got::End, true));
    assert!(!script.was_polled_after_its_end());
}

#[tokio::test(start_paused = true)]
async fn trailers_pass_and_no_heartbeat_comes_after_them() {
    let (script, mut heard) = begun(&HeartbeatLayer::default(), "data: x\n\n");
    script.trailers();
    assert_eq!(heard.poll(), Got::Trailers);
    advance(INTERVAL * 3).await;
    assert_eq!(heard.poll(), Got::Pending);
    script.end();
    assert_eq!(heard.poll(), Got::End);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn a_heartbeat_may_be_an_event_without_an_id() {
    let event = || Event::data("tick").name(EventName::from_static("heartbeat")).id(EventId::new("7").unwrap());
    let layer = HeartbeatLayer::new(Heartbeat::every(INTERVAL).unwrap().event(event)).without_opening();
    let (_script, mut heard) = begun(&layer, "id: 3\ndata: x\n\n");
    advance(INTERVAL).await;
    assert_eq!(heard.poll(), said("event: heartbeat\ndata: tick\n\n"));
}

// SSE-44
#[tokio::test(start_paused = true)]
async fn jitter_prolongs_each_silence_by_another_part() {
    let layer = HeartbeatLayer::new(Heartbeat::every(INTERVAL).unwrap().jitter(INTERVAL)).without_opening();
    let mut heard: Vec<_> = (0..20).map(|_| begun(&layer, "data: x\n\n")).collect();
    advance(INTERVAL - TICK).await;
    assert!(heard.iter_mut().all(|(_, heard)| heard.poll() == Got::Pending));
    advance(INTERVAL / 2).await;
    let early = heard.iter_mut().filter_map(|(_, heard)| (heard.poll() == said(BEAT)).then_some(())).count();
    assert!((1..20).contains(&early));
    advance(INTERVAL / 2 + TICK * 2).await;
    let late = heard.iter_mut().filter(|(_, heard)| heard.wakes() == 1).count();
    assert_eq!(late, 20);
}

// SSE-42
#[tokio::test(start_paused = true)]
async fn first_bytes_leave_at_once_when_no_event_is_ready() {
    let script = Script::default();
    let mut heard = Heard::new(&HeartbeatLayer::default(), &script);
    assert_eq!((heard.poll(), heard.poll()), (said(BEAT), Got::Pending));
    script.send("data: x\n\n");
    assert_eq!(heard.wakes(), 1);
    assert_eq!(heard.poll(), said("data: x\n\n"));

    let (_script, mut heard) = begun(&HeartbeatLayer::default(), "data: ready\n\n");
    assert_eq!(heard.poll(), Got::Pending);

    let mut heard = Heard::new(&quiet(), &Script::default());
    assert_eq!(heard.poll(), Got::Pending);
    advance(INTERVAL).await;
    assert_eq!(heard.poll(), said(BEAT));
}

// SSE-42, SSE-43: as of a server that keeps its own line alive with empty frames of HTTP/2.
#[tokio::test(start_paused = true)]
async fn a_frame_without_a_byte_is_passed_on_and_counts_for_nothing() {
    let script = Script::default();
    script.send("");
    let mut heard = Heard::new(&HeartbeatLayer::default(), &script);
    assert_eq!((heard.poll(), heard.poll(), heard.poll()), (said(""), said(BEAT), Got::Pending));
    script.send("data: x\n\n");
    assert_eq!((heard.poll(), heard.poll()), (said("data: x\n\n"), Got::Pending));
    advance(INTERVAL - TICK).await;
    script.send("");
    assert_eq!((heard.poll(), heard.poll()), (said(""), Got::Pending));
    advance(TICK).await;
    assert_eq!(heard.poll(), said(BEAT));
}

// SSE-3, SSE-42
#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_after_the_first_bytes_is_left_out() {
    let stream = b"\xEF\xBB\xBFdata: x\n\n";
    for size in 1..=stream.len() {
        let script = Script::default();
        let mut heard = Heard::new(&HeartbeatLayer::default(), &script);
        let mut all = Vec::new();
        for piece in stream.chunks(size) {
            while let Got::Text(text) = heard.poll() {
                all.extend_from_slice(&text);
            }
            script.send(piece);
        }
        while let Got::Text(text) = heard.poll() {
            all.extend_from_slice(&text);
        }
        assert_eq!(all, b":\n\ndata: x\n\n");
    }
    // Where nothing went before it, it is still one.
    let (_script, _heard) = begun(&HeartbeatLayer::default(), "\u{feff}data: x\n\n");
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn frames_keep_their_memory_and_their_cuts() {
    let script = Script::default();
    let mut heard = Heard::new(&quiet(), &script);
    let frames = ["data: on", "e\n\nda", "", "ta: two\n", "\n"].map(|text| Bytes::from(text.as_bytes().to_vec()));
    frames.iter().for_each(|frame| script.send(frame.clone()));
    for frame in &frames {
        let Got::Text(text) = heard.poll() else { panic!("a frame is missing") };
        assert_eq!((&text, text.as_ptr()), (frame, frame.as_ptr()));
    }
}

// SSE-41
#[test]
fn the_head_says_that_nobody_is_to_hold_the_stream_back() {
    let mut answer = event_stream(Full::<Bytes>::from("data: x\n\n"));
    answer.headers_mut().insert(header::CONTENT_LENGTH, 9.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, "Text/Event-Stream; charset=utf-8".parse().unwrap());
    answer.headers_mut().insert("x-accel-buffering", "yes".parse().unwrap());
    let answer = through(&quiet(), answer);
    let mut expected = HeaderMap::new();
    expected.insert(header::CONTENT_TYPE, "Text/Event-Stream; charset=utf-8".parse().unwrap());
    expected.insert(header::CACHE_CONTROL, "no-cache, no-transform".parse().unwrap());
    expected.insert("x-accel-buffering", "no".parse().unwrap());
    assert_eq!(*answer.headers(), expected);
    assert_eq!((answer.body().size_hint().exact(), answer.body().is_end_stream()), (None, false));
}

#[test]
fn other_answers_pass_untouched() {
    type Change = fn(&mut Request<()>, &mut Response<Full<Bytes>>);
    let table: [(&str, Change); 8] = [
        ("another type", |_, answer| {
            drop(answer.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap()))
        }),
        ("no type", |_, answer| drop(answer.headers_mut().remove(header::CONTENT_TYPE))),
        ("compressed", |_, answer| {
            drop(answer.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap()))
        }),
        ("compressed twice", |_, answer| {
            answer.headers_mut().append(header::CONTENT_ENCODING, "identity".parse().unwrap());
            answer.headers_mut().append(header::CONTENT_ENCODING, "br".parse().unwrap());
        }),
        ("HEAD", |request, _| *request.method_mut() = Method::HEAD),
        ("204", |_, answer| *answer.status_mut() = StatusCode::NO_CONTENT),
        ("206", |_, answer| *answer.status_mut() = StatusCode::PARTIAL_CONTENT),
        ("500", |_, answer| *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR),
    ];
    for (name, change) in table {
        let (mut request, mut answer) = (Request::new(()), event_stream(Full::<Bytes>::from("data: x\n\n")));
        answer.headers_mut().insert(header::CONTENT_LENGTH, 9.into());
        change(&mut request, &mut answer);
        let headers = answer.headers().clone();
        let answer = answer_to(&HeartbeatLayer::default(), request, answer);
        assert_eq!((answer.headers(), answer.body().size_hint().exact()), (&headers, Some(9)), "{name}");
        // Without a runtime, and so without a timer.
        assert_eq!(Heard::of(answer.into_body()).poll(), said("data: x\n\n"), "{name}");
    }
}

#[test]
fn an_identity_coding_is_none() {
    let mut answer = event_stream(Full::<Bytes>::from("data: x\n\n"));
    answer.headers_mut().insert(header::CONTENT_ENCODING, "identity".parse().unwrap());
    assert_eq!(through(&quiet(), answer).headers()["x-accel-buffering"], "no");
}

/// Data in two pieces, which [`Buf`] shows one after the other.
#[derive(Debug)]
struct Torn(bytes::buf::Chain<Bytes, Bytes>);

impl Buf for Torn {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl From<Bytes> for Torn {
    fn from(bytes: Bytes) -> Self {
        Self(bytes.chain(Bytes::new()))
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn data_in_several_pieces_is_followed_to_its_end() {
    for (pieces, beats) in [(["data: x\n\n", "data"], false), (["data: x\n", "\n"], true)] {
        let torn = Torn(Bytes::from(pieces[0]).chain(Bytes::from(pieces[1])));
        let frames = futures_util::stream::iter([Ok::<_, Infallible>(http_body::Frame::data(torn))]);
        let frames = futures_util::StreamExt::chain(frames, futures_util::stream::pending());
        let mut body = Box::pin(through(&quiet(), event_stream(StreamBody::new(frames))).into_body());
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(BodyExt::collect(Full::new(first)).await.unwrap().to_bytes(), pieces.concat());
        let next = tokio::time::timeout(INTERVAL * 2, body.frame()).await;
        assert_eq!(next.is_ok(), beats, "{pieces:?}");
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn the_body_of_a_log_goes_through_with_its_own_heartbeats_alone() {
    let log = log();
    let _stream = create(&log, "a");
    let response = play(&log, "a", None).heartbeat(Heartbeat::every(INTERVAL / 2).unwrap()).into_response();
    let response = through(&HeartbeatLayer::default(), response.map(|body| body.map_err(|never| match never {})));
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store, no-transform");
    let mut heard = Heard::of(response.into_body());
    assert_eq!(heard.poll(), said("retry: 3000\n\n"));
    for _ in 0..4 {
        assert_eq!(heard.poll(), Got::Pending);
        advance(INTERVAL / 2).await;
        assert_eq!(heard.poll(), said(BEAT));
    }
}

// SSE-45
#[tokio::test(start_paused = true)]
async fn a_body_dropped_at_any_poll_drops_the_inner_one() {
    for polls in 0..6 {
        let script = Script::default();
        let mut heard = Heard::new(&HeartbeatLayer::default(), &script);
        script.send("data: x\n\nda");
        for _ in 0..polls {
            heard.poll();
            advance(INTERVAL).await;
        }
        assert!(script.is_held());
        drop(heard);
        assert!(!script.is_held(), "after {polls} polls");
    }
}

#[test]
fn the_inner_service_is_called_on_the_instance_that_was_ready() {
    #[derive(Default)]
    struct Probe {
        ready: bool,
    }

    impl Clone for Probe {
        fn clone(&self) -> Self {
            Self::default()
        }
    }

    impl Service<Request<()>> for Probe {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called before it was ready");
            std::future::ready(Err("its own error"))
        }
    }

    let mut service = HeartbeatLayer::default().layer(Probe::default());
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(service.poll_ready(&mut cx).is_ready());
        let _unready = service.clone();
        let mut future = std::pin::pin!(service.call(Request::new(())));
        assert!(matches!(future.as_mut().poll(&mut cx), Poll::Ready(Err("its own error"))));
    }
}

#[test]
fn what_it_makes_is_shared_where_the_inner_parts_are() {
    fn shared<T: Send + Sync + 'static>() {}
    fn cloned<T: Clone + Send + Sync + 'static>() {}
    cloned::<HeartbeatLayer>();
    cloned::<Heartbeats<()>>();
    shared::<HeartbeatFuture<()>>();
    shared::<HeartbeatBody<Full<Bytes>>>();
}

#[test]
fn a_body_is_no_more_than_a_pointer_larger() {
    assert_eq!(size_of::<HeartbeatBody<Full<Bytes>>>(), size_of::<Full<Bytes>>() + size_of::<usize>());
}

proptest! {
    // SSE-1, SSE-43
    #[test]
    fn a_reader_of_any_stream_sees_the_same_events_through_heartbeats(
        pieces in vec(prop_oneof![Just("data"), Just(": x"), Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n"), Just("id: 1"), Just("\u{feff}")], 0..30),
        opening: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let all = runtime.block_on(async {
            let layer = if opening { HeartbeatLayer::default() } else { quiet() };
            let script = Script::default();
            let mut heard = Heard::new(&layer, &script);
            let mut all = Vec::new();
            let mut listen = |heard: &mut Heard<Scripted>| {
                while let Got::Text(text) = heard.poll() {
                    all.extend_from_slice(&text);
                }
            };
            for piece in &pieces {
                listen(&mut heard);
                advance(INTERVAL).await;
                listen(&mut heard);
                script.send(*piece);
            }
            listen(&mut heard);
            all
        });
        let events = |text: &[u8]| -> Vec<_> { decode([text]).into_iter().filter(|seen| *seen != crate::common::comment()).collect() };
        prop_assert_eq!(events(&all), events(pieces.concat().as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_moves_to_another_task_wakes_that_one() {
    let (script, mut first) = begun(&quiet(), "data: x\n\n");
    let (_other, mut second) = begun(&quiet(), "data: x\n\n");
    std::mem::swap(&mut first.body, &mut second.body);
    drop(first);
    // Seen by the second task inside of an event, where no timer is asked, and after it.
    for text in ["da", "ta: y\n\n"] {
        script.send(text);
        assert_eq!((second.poll(), second.poll()), (said(text), Got::Pending));
    }
    let before = second.wakes();
    advance(INTERVAL).await;
    assert_eq!((second.wakes() - before, second.poll()), (1, said(BEAT)));
}
