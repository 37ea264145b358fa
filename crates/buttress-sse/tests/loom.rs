//! The seam between publishing, reading and leaving, in every order that threads may take.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buttress-sse --test loom --release
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use buttress_sse::{Cursor, Drain, Event, EventBody, Heartbeat, HeartbeatLayer, MemoryLog, Resume, Retention};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use loom::{future::block_on, thread};
use tower::{Layer, ServiceExt, service_fn};

fn log() -> MemoryLog {
    MemoryLog::new(Retention::default()).unwrap()
}

fn body(log: &MemoryLog, cursor: Option<&Cursor>) -> EventBody {
    match log.resume_from("a", cursor) {
        Resume::Play(replay) => replay.heartbeat(Heartbeat::never()).into_body(),
        other => panic!("nothing to play: {other:?}"),
    }
}

async fn frame(body: &mut Pin<&mut EventBody>) -> Option<String> {
    let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().into()).unwrap())
}

/// The data of every event up to the end, whatever that takes.
fn read(body: EventBody) -> String {
    block_on(async {
        let mut body = pin!(body);
        let mut data = String::new();
        while let Some(frame) = frame(&mut body).await {
            data.extend(frame.lines().filter_map(|line| line.strip_prefix("data: ")));
        }
        data
    })
}

// SSE-46
#[test]
fn a_reader_sees_each_event_once_and_is_always_woken() {
    loom::model(|| {
        let log = log();
        let mut stream = log.create("a").unwrap();
        let body = body(&log, None);
        let publisher = thread::spawn(move || {
            stream.send_event(Event::data("1"));
            stream.finish(Event::data("2"));
        });
        assert_eq!(read(body), "12");
        publisher.join().unwrap();
    });
}

// SSE-46
#[test]
fn a_resume_beside_a_send_has_no_gap_and_no_double() {
    loom::model(|| {
        let log = log();
        let mut stream = log.create("a").unwrap();
        let seen = stream.send_event(Event::data("1"));
        let reading = log.clone();
        let reader = thread::spawn(move || match reading.resume_from("a", Some(&seen)) {
            Resume::Play(replay) => read(replay.heartbeat(Heartbeat::never()).into_body()),
            other => panic!("nothing to play: {other:?}"),
        });
        stream.finish(Event::data("2"));
        assert_eq!(reader.join().unwrap(), "2");
    });
}

#[test]
fn a_dropped_publisher_ends_a_reader_that_waits() {
    loom::model(|| {
        let log = log();
        let stream = log.create("a").unwrap();
        let body = body(&log, None);
        let publisher = thread::spawn(move || drop(stream));
        assert_eq!(read(body), "");
        publisher.join().unwrap();
    });
}

// SSE-45
#[test]
fn a_reader_that_leaves_beside_a_send_takes_nothing_from_another() {
    loom::model(|| {
        let log = log();
        let stream = log.create("a").unwrap();
        let staying = body(&log, None);
        let mut leaving = Box::pin(body(&log, None));
        // Up to the wait, so that it holds a waker.
        let mut cx = Context::from_waker(Waker::noop());
        while leaving.as_mut().poll_frame(&mut cx).is_ready() {}
        let leaver = thread::spawn(move || drop(leaving));
        let publisher = thread::spawn(move || stream.finish(Event::data("1")));
        assert_eq!(read(staying), "1");
        leaver.join().unwrap();
        publisher.join().unwrap();
    });
}

#[test]
fn a_drain_reaches_a_reader_that_is_about_to_wait() {
    loom::model(|| {
        let log = log();
        let stream = log.create("a").unwrap();
        let body = body(&log, None);
        let draining = log.clone();
        let drainer = thread::spawn(move || draining.drain());
        assert_eq!(read(body), "");
        drainer.join().unwrap();
        drop(stream);
    });
}

#[test]
fn a_drain_reaches_a_foreign_stream_that_is_about_to_wait() {
    loom::model(|| {
        let drain = Drain::new();
        let layer = HeartbeatLayer::new(Heartbeat::never()).without_opening().drained_by(&drain);
        let drainer = thread::spawn(move || drain.drain());
        block_on(async {
            let answer =
                async |_: Request<()>| Response::builder().header("content-type", "text/event-stream").body(Endless);
            let response = layer.layer(service_fn(answer)).oneshot(Request::new(())).await.unwrap();
            let mut body = pin!(response.into_body());
            let words = poll_fn(|cx| body.as_mut().poll_frame(cx)).await.unwrap().unwrap();
            assert!(words.data_ref().unwrap().starts_with(b"retry: "));
            assert!(body.is_end_stream());
        });
        drainer.join().unwrap();
    });
}

/// Has nothing to say, and never ends.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
