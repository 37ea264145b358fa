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
use buttress_sse::{Event, EventId, EventName, Heartbeat, MemoryLog, Resume, Retention};
use bytes::Bytes;
use futures_util::stream;
use http_body::Body;
use serde::Serialize;
use sse_stream::{Sse, SseBody};

use crate::{Case, Group, Operation};

pub(super) fn group() -> Group {
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
            Case::new("by hand", by_hand),
        ],
    )
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

/// What nobody can do without: the JSON, and the lines round it in a buffer of the right size.
fn by_hand() -> Operation {
    let mut ids = 1_u64..;
    Box::new(move || {
        let id = ids.next().expect("endless");
        let json = serde_json::to_vec(&Progress::at(id)).expect("JSON");
        let id = id.to_string();
        let parts = [&b"id: "[..], id.as_bytes(), b"\nevent: progress\ndata: ", &json, b"\n\n"];
        let mut event = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| event.extend_from_slice(part));
        black_box(Bytes::from(event));
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

pub(super) fn frame<B: Body<Data = Bytes>>(body: Pin<&mut B>) -> Bytes {
    let Poll::Ready(Some(Ok(frame))) = body.poll_frame(&mut Context::from_waker(Waker::noop())) else {
        panic!("an event at once")
    };
    frame.into_data().expect("data")
}
