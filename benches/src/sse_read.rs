use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    task::{Context, Poll, Waker},
};

use buttress_sse::{Decoder, EventSource, Signal};
use bytes::Bytes;
use eventsource_client::{Client, ClientBuilder};
use futures_util::stream::{self, Stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, ResponseFuture};
use memchr::memchr2;
use sse_core::SseDecoder;
use sse_stream::SseByteStream;
use tower::service_fn;

use crate::{Case, Group, Operation};

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "SSE, read progress events",
            [
                Case::new("buttress", || ours_read(progress_chunks())),
                Case::new("sse-stream", || peer_read(progress_chunks())),
                Case::new("sse-core", || core_read(progress_chunks())),
                Case::new("line scan by hand", || by_hand(progress_chunks())),
            ],
        ),
        Group::new(
            "SSE, read 208-byte token chunks",
            [
                Case::new("buttress", || ours_read(token_chunks())),
                Case::new("sse-stream", || peer_read(token_chunks())),
                Case::new("sse-core", || core_read(token_chunks())),
                Case::new("line scan by hand", || by_hand(token_chunks())),
            ],
        ),
        Group::new(
            "SSE, a client reads progress events",
            [
                Case::new("buttress, EventSource", || client_read(progress_chunks())),
                Case::new("eventsource-client", || launchdarkly_read(progress_chunks())),
            ],
        ),
        Group::new(
            "SSE, read one long line",
            [
                Case::new("buttress, 32 MiB in 16 KiB chunks", || long_line(32 << 20, 16 << 10)),
                Case::new("buttress, 64 MiB in 16 KiB chunks", || long_line(64 << 20, 16 << 10)),
                Case::new("buttress, 64 KiB in single bytes", || long_line(64 << 10, 1)),
                Case::new("buttress, 128 KiB in single bytes", || long_line(128 << 10, 1)),
            ],
        )
        .heavy(),
    ]
}

/// Events of 76 bytes, one in a chunk.
fn progress_chunks() -> Vec<Bytes> {
    chunks(76, |i| {
        format!("id: {}\nevent: progress\ndata: {{\"progress\":0.{:02},\"step\":{}", 1000 + i, i + 10, i + 10)
    })
}

/// Events of a language model, one in a chunk.
fn token_chunks() -> Vec<Bytes> {
    chunks(208, |i| {
        format!(
            "data: {{\"id\":\"chatcmpl-9x\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" token{i:02}\"}},\"finish_reason\":null}}]"
        )
    })
}

/// Some events, each with a last member that fills it up to `len`.
fn chunks(len: usize, begin: impl Fn(usize) -> String) -> Vec<Bytes> {
    let chunk = |i| {
        let mut event = begin(i);
        event += ",\"p\":\"";
        event += &"x".repeat(len.checked_sub(event.len() + 4).expect("room for the rest"));
        event += "\"}\n\n";
        Bytes::from(event)
    };
    // Cloned once, they share their bytes from the start.
    (0..64).map(chunk).inspect(|chunk| drop(chunk.clone())).collect()
}

/// Over and over, without an allocation of its own.
fn in_turn(chunks: Vec<Bytes>) -> impl Iterator<Item = Bytes> {
    (0..chunks.len()).cycle().map(move |i| chunks[i].clone())
}

fn ours_read(chunks: Vec<Bytes>) -> Operation {
    let mut decoder = Decoder::new();
    let mut chunks = in_turn(chunks);
    Box::new(move || {
        let mut chunk = chunks.next().expect("endless");
        while let Some(frame) = decoder.decode(&mut chunk).expect("within limits") {
            black_box(frame);
        }
    })
}

fn core_read(chunks: Vec<Bytes>) -> Operation {
    let mut decoder = SseDecoder::new();
    let mut chunks = in_turn(chunks);
    Box::new(move || {
        let mut chunk = chunks.next().expect("endless");
        while let Some(event) = decoder.next(&mut chunk) {
            black_box(event.expect("within limits"));
        }
    })
}

fn peer_read(chunks: Vec<Bytes>) -> Operation {
    let chunks = in_turn(chunks).map(Ok::<_, Infallible>);
    let mut events = Box::pin(SseByteStream::new(stream::iter(chunks)));
    Box::new(move || {
        let event = events.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(event))) = event else { panic!("an event at once") };
        black_box(event);
    })
}

/// What nobody can do without: where lines end, whether they are UTF-8, and a share of the chunk.
fn by_hand(chunks: Vec<Bytes>) -> Operation {
    let mut chunks = in_turn(chunks);
    Box::new(move || {
        let chunk = chunks.next().expect("endless");
        let mut at = 0;
        while let Some(len) = memchr2(b'\n', b'\r', &chunk[at..]) {
            let line = &chunk[at..at + len];
            if let Some(value) = line.strip_prefix(b"data: ") {
                black_box((str::from_utf8(value).is_ok(), chunk.slice_ref(value)));
            } else {
                black_box(line);
            }
            at += len + 1;
        }
    })
}

/// The first poll opens the line.
fn client_read(chunks: Vec<Bytes>) -> Operation {
    let chunks = in_turn(chunks).map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
    let mut body = Some(StreamBody::new(stream::iter(chunks)));
    let service = service_fn(move |_: Request<()>| {
        let answer = Response::builder().header("content-type", "text/event-stream");
        ready(answer.body(body.take().expect("one line, for ever")))
    });
    let mut events = Box::pin(EventSource::new(service, Request::new(())));
    Box::new(move || {
        loop {
            let signal = events.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(signal))) = signal else { panic!("an event at once") };
            if let Signal::Message(message) = signal {
                black_box(message);
                return;
            }
        }
    })
}

#[derive(Clone)]
struct Endless(Vec<Bytes>);

impl HttpTransport for Endless {
    fn request(&self, _: Request<Option<Bytes>>) -> ResponseFuture {
        let body: ByteStream = Box::pin(stream::iter(in_turn(self.0.clone()).map(Ok)));
        let answer = Response::builder().header("content-type", "text/event-stream").body(body);
        Box::pin(ready(Ok(answer.expect("a valid head"))))
    }
}

fn launchdarkly_read(chunks: Vec<Bytes>) -> Operation {
    let client = ClientBuilder::for_url("http://example.com/").expect("a valid address");
    let mut events = client.build_with_transport(Endless(chunks)).stream();
    Box::new(move || {
        loop {
            let item = events.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(item))) = item else { panic!("an event at once") };
            if let eventsource_client::SSE::Event(event) = item {
                black_box(event);
                return;
            }
        }
    })
}

/// Twice the line is to take twice the work.
fn long_line(len: usize, chunk: usize) -> Operation {
    let filling = Bytes::from(vec![b'x'; chunk]);
    Box::new(move || {
        let mut decoder = Decoder::new().max_line(len + 6).max_event(len);
        let mut read = |mut chunk: Bytes| decoder.decode(&mut chunk).expect("within limits");
        black_box(read(Bytes::from_static(b"data: ")));
        for _ in 0..len / chunk {
            black_box(read(filling.clone()));
        }
        assert!(read(Bytes::from_static(b"\n\n")).is_some(), "an event");
    })
}
