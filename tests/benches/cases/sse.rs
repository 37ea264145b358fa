use std::{
    convert::Infallible,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use axum::response::{
    IntoResponse,
    sse::{Event as AxumEvent, Sse as AxumSse},
};
use buttress_sse::{Decoder, Event, EventId, EventName, Heartbeat, MemoryLog, Resume, Retention};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body::Body;
use serde::Serialize;
use sse_core::SseDecoder;
use sse_stream::{Sse, SseBody, SseByteStream};

use super::{Case, Group, Operation};

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "SSE, write an event with id and JSON",
            [
                Case::new("buttress, encoded", ours_encoded),
                Case::new("buttress, through log and body", ours_published),
                Case::new("sse-stream, encoded", peer_encoded),
                Case::new("sse-stream, through its body", || {
                    frames(SseBody::new(stream::iter((1..).map(|id| Ok::<_, Infallible>(peer_event(id))))))
                }),
                Case::new("axum, through its body", axum_body),
            ],
        ),
        Group::new(
            "SSE, read progress events",
            [
                Case::new("buttress", || ours_read(progress_chunks())),
                Case::new("sse-stream", || peer_read(progress_chunks())),
                Case::new("sse-core", || core_read(progress_chunks())),
            ],
        ),
        Group::new(
            "SSE, read 208-byte token chunks",
            [
                Case::new("buttress", || ours_read(token_chunks())),
                Case::new("sse-stream", || peer_read(token_chunks())),
                Case::new("sse-core", || core_read(token_chunks())),
            ],
        ),
    ]
}

const PROGRESS: EventName = EventName::from_static("progress");

/// What a job says every second.
#[derive(Serialize)]
struct Progress {
    job: &'static str,
    status: &'static str,
    progress: f64,
}

impl Progress {
    fn at(id: u64) -> Self {
        Self { job: "42", status: "processing", progress: (id % 100) as f64 / 100.0 }
    }
}

fn ours_encoded() -> Operation {
    let mut ids = 1..;
    Box::new(move || {
        let id: u64 = ids.next().expect("endless");
        let event = Event::json(&Progress::at(id)).expect("JSON").name(PROGRESS);
        black_box(event.id(EventId::from(id)).encode());
    })
}

/// The log gives the id, keeps the event, and one reader gets it at once.
fn ours_published() -> Operation {
    let log = MemoryLog::new(Retention::default()).expect("a sane retention");
    let mut job = log.create("alice/42").expect("room for one");
    let Resume::Play(replay) = log.resume_from("alice/42", None) else { panic!("it has begun") };
    let mut body = Box::pin(replay.heartbeat(Heartbeat::never()).into_body());
    let mut ids = 1..;
    // How long to wait before a reconnect.
    black_box(frame(body.as_mut()));
    Box::new(move || {
        let _kept = &log;
        let event = Event::json(&Progress::at(ids.next().expect("endless"))).expect("JSON").name(PROGRESS);
        black_box(job.send_event(event));
        black_box(frame(body.as_mut()));
    })
}

fn peer_event(id: u64) -> Sse {
    let data = serde_json::to_string(&Progress::at(id)).expect("JSON");
    Sse::default().event("progress").id(id.to_string()).data(data)
}

fn peer_encoded() -> Operation {
    let mut ids = 1..;
    Box::new(move || drop(black_box(peer_event(ids.next().expect("endless")).encode().expect("one line each"))))
}

fn axum_body() -> Operation {
    let events = (1..).map(|id: u64| {
        AxumEvent::default().event("progress").id(id.to_string()).json_data(Progress::at(id)).map_err(axum::Error::new)
    });
    frames(AxumSse::new(stream::iter(events)).into_response().into_body())
}

fn frames<B>(body: B) -> Operation
where
    B: Body<Data = Bytes> + 'static,
{
    let mut body = Box::pin(body);
    Box::new(move || drop(black_box(frame(body.as_mut()))))
}

fn frame<B: Body<Data = Bytes>>(body: Pin<&mut B>) -> Bytes {
    let Poll::Ready(Some(Ok(frame))) = body.poll_frame(&mut Context::from_waker(Waker::noop())) else {
        panic!("an event at once")
    };
    frame.into_data().expect("data")
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
