use std::{
    cell::Cell,
    convert::Infallible,
    future::{poll_fn, ready},
    hint::black_box,
    mem,
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    BoxError,
    response::{
        IntoResponse,
        sse::{Event as AxumEvent, KeepAlive, Sse as AxumSse},
    },
};
use buttress_sse::{Event, Heartbeat, HeartbeatLayer, MemoryLog, Resume, ResumeLayer, Retention, StreamKey};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::{self, Runtime},
    sync::{Notify, broadcast, mpsc},
    task::LocalSet,
    time::interval,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{BARE, Case, Group, Operation};

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "SSE, an event of a foreign stream over HTTP/1",
            [
                Case::new(BARE, || over_http(upstream)),
                Case::new("buttress, heartbeat layer", || {
                    over_http(|events| HeartbeatLayer::default().layer(upstream(events)))
                }),
            ],
        ),
        Group::new(
            "SSE, a heartbeat to 10 000 streams",
            [
                Case::new("buttress, heartbeat layer", || beats(layer_body)),
                Case::new("buttress, event body", log_beats),
                Case::new("axum", || beats(axum_beat)),
                Case::new("one timer for all, by hand", shared_beats),
            ],
        )
        .heavy(),
        Group::new(
            "SSE, one event to 10 000 readers",
            [
                Case::new("buttress, event body", log_readers),
                Case::new("buttress, resume layer", resumed_readers),
                Case::new("axum, from a broadcast channel", axum_readers),
            ],
        )
        .heavy(),
    ]
}

/// Everything of a case on one thread.
struct Stage {
    runtime: Runtime,
    tasks: LocalSet,
    /// Frames that have arrived at readers.
    arrived: Rc<Cell<usize>>,
    news: Rc<Notify>,
}

impl Stage {
    fn new() -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { runtime, tasks: LocalSet::new(), arrived: Rc::default(), news: Rc::default() }
    }

    /// Reads a body for ever.
    fn read<B: Body + 'static>(&self, body: B) {
        let (arrived, news) = (self.arrived.clone(), self.news.clone());
        self.tasks.spawn_local(async move {
            let mut body = pin!(body);
            while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                drop(frame);
                arrived.set(arrived.get() + 1);
                news.notify_one();
            }
        });
    }

    /// Lets time pass until so many frames have arrived since the last time.
    fn run(&self, frames: usize) {
        self.tasks.block_on(&self.runtime, async {
            while self.arrived.get() < frames {
                self.news.notified().await;
            }
        });
        self.arrived.set(0);
    }
}

type Events = mpsc::UnboundedReceiver<Bytes>;

/// A service that knows only how to send these events.
fn upstream(
    events: Events,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl Body<Data = Bytes, Error = Infallible> + 'static>,
    Error = Infallible,
    Future: 'static,
> + Clone
+ 'static {
    let events = Rc::new(Cell::new(Some(events)));
    service_fn(move |_| {
        let events = events.take().expect("one request");
        let frames = stream::unfold(events, async |mut events| {
            let event = events.recv().await?;
            Some((Ok(Frame::data(event)), events))
        });
        ready(Ok(event_stream(StreamBody::new(frames))))
    })
}

fn event_stream<B>(body: B) -> Response<B> {
    Response::builder().header("content-type", "text/event-stream").body(body).expect("a valid head")
}

/// One event at a time, from the handler through a connection to its other end, all in memory.
fn over_http<S, B>(make: impl FnOnce(Events) -> S) -> Operation
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: 'static> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    let stage = Stage::new();
    let (events, received) = mpsc::unbounded_channel();
    let (mut near, far) = duplex(1 << 16);
    let service = TowerToHyperService::new(make(received));
    stage.tasks.spawn_local(http1::Builder::new().serve_connection(TokioIo::new(far), service));
    let event = Bytes::from(format!("id: 1000\nevent: progress\ndata: {}\n\n", "x".repeat(100)));
    let chunk = format!("{:X}\r\n", event.len()).len() + event.len() + 2;
    // It is there when the body is asked for the first time, so the layer need not speak first.
    events.send(event.clone()).expect("the handler waits");
    let mut got = vec![0; 1 << 12];
    stage.tasks.block_on(&stage.runtime, async {
        near.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("open");
        let mut len = 0;
        while !got[..len].ends_with(b"\n\n\r\n") {
            len += near.read(&mut got[len..]).await.expect("open");
        }
    });
    Box::new(move || {
        events.send(event.clone()).expect("the handler waits");
        let read = stage.tasks.block_on(&stage.runtime, near.read_exact(&mut got[..chunk]));
        black_box(read.expect("open"));
    })
}

/// As fast as a timer can tick, which is faster than they all can be served: no time is spent asleep.
const OFTEN: Duration = Duration::from_millis(1);

/// Streams that have nothing else to say.
fn beats<B: Body + 'static>(body: impl Fn() -> B) -> Operation {
    let stage = Stage::new();
    let entered = stage.runtime.enter();
    (0..READERS).for_each(|_| stage.read(body()));
    drop(entered);
    Box::new(move || stage.run(READERS))
}

fn layer_body() -> impl Body {
    let heartbeat = Heartbeat::every(OFTEN).expect("not zero");
    let service = HeartbeatLayer::new(heartbeat).layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(event_stream(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>()))))
    }));
    service.oneshot(Request::new(())).now_or_never().expect("an answer at once").expect("infallible").into_body()
}

fn log_beats() -> Operation {
    let log = MemoryLog::new(Retention::default()).expect("a sane retention");
    // For ever.
    mem::forget(log.create("alice/42"));
    beats(move || {
        let Resume::Play(replay) = log.resume_from("alice/42", None) else { panic!("it has begun") };
        replay.heartbeat(Heartbeat::every(OFTEN).expect("not zero")).into_body()
    })
}

fn axum_beat() -> impl Body {
    let silent = stream::pending::<Result<AxumEvent, Infallible>>();
    AxumSse::new(silent).keep_alive(KeepAlive::new().interval(OFTEN)).into_response().into_body()
}

/// As little as can be done: one timer wakes all, and each makes a frame.
fn shared_beats() -> Operation {
    let stage = Stage::new();
    let beat = Rc::new(Notify::new());
    for _ in 0..READERS {
        let beat = beat.clone();
        stage.read(StreamBody::new(stream::unfold(beat, async |beat| {
            beat.notified().await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b":\n\n"))), beat))
        })));
    }
    stage.tasks.spawn_local(async move {
        let mut ticks = interval(OFTEN);
        loop {
            ticks.tick().await;
            beat.notify_waiters();
        }
    });
    Box::new(move || stage.run(READERS))
}

const READERS: usize = 10_000;

fn event() -> Event {
    Event::data(r#"{"job":"42","status":"processing","progress":0.25}"#)
}

fn log_readers() -> Operation {
    let stage = Stage::new();
    let log = MemoryLog::new(Retention::default()).expect("a sane retention");
    let mut job = log.create("alice/42").expect("room for one");
    for _ in 0..READERS {
        let Resume::Play(replay) = log.resume_from("alice/42", None) else { panic!("it has begun") };
        stage.read(replay.into_body());
    }
    // How long to wait before a reconnect.
    stage.run(READERS);
    Box::new(move || {
        let _kept = &log;
        black_box(job.send_event(event()));
        stage.run(READERS);
    })
}

fn resumed_readers() -> Operation {
    let stage = Stage::new();
    let log = MemoryLog::new(Retention::default()).expect("a sane retention");
    let layer = ResumeLayer::new(log, |request| Some(StreamKey::scoped("alice", request.uri.path())));
    let (events, received) = mpsc::unbounded_channel();
    let received = Arc::new(Mutex::new(Some(received)));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let events = received.lock().expect("not poisoned").take().expect("one producer");
        let frames = stream::unfold(events, async |mut events: Events| {
            let event = events.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(event)), events))
        });
        ready(Ok::<_, Infallible>(event_stream(StreamBody::new(frames))))
    }));
    for _ in 0..READERS {
        let answer = stage.tasks.block_on(&stage.runtime, service.clone().oneshot(Request::new(())));
        stage.read(answer.expect("infallible").into_body());
    }
    stage.run(READERS);
    let event = event().encode();
    Box::new(move || {
        events.send(event.clone()).expect("the producer listens");
        stage.run(READERS);
    })
}

/// Each reader encodes the event for itself.
fn axum_readers() -> Operation {
    let stage = Stage::new();
    let (events, _) = broadcast::channel(1_000);
    let entered = stage.runtime.enter();
    for _ in 0..READERS {
        let frames = stream::unfold(events.subscribe(), async |mut events: broadcast::Receiver<Arc<str>>| {
            let data = events.recv().await.ok()?;
            Some((Ok::<_, Infallible>(AxumEvent::default().id("17").data(&*data)), events))
        });
        stage.read(AxumSse::new(frames).keep_alive(KeepAlive::new()).into_response().into_body());
    }
    drop(entered);
    let data: Arc<str> = r#"{"job":"42","status":"processing","progress":0.25}"#.into();
    Box::new(move || {
        events.send(data.clone()).expect("there are readers");
        stage.run(READERS);
    })
}
