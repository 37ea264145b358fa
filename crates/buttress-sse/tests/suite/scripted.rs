//! A service whose answers are written down beforehand, and which watches how it is called.

use std::{
    collections::VecDeque,
    fmt,
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_sse::{EventSource, EventSourceError, Message, Signal};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

/// What a body does next.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Quiet(Duration),
    Trailers,
    Error,
    /// Nothing more, without an end.
    Hang,
}

pub(crate) fn data(text: impl Into<Bytes>) -> Piece {
    Piece::Data(text.into())
}

pub(crate) fn quiet(millis: u64) -> Piece {
    Piece::Quiet(Duration::from_millis(millis))
}

#[derive(Debug)]
pub(crate) enum Answer {
    Response(Response<Vec<Piece>>),
    Error,
    Never,
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Response(Response::builder().status(status).body(Vec::new()).unwrap())
}

pub(crate) fn with_header(code: u16, name: &str, value: &str) -> Answer {
    Answer::Response(Response::builder().status(code).header(name, value).body(Vec::new()).unwrap())
}

/// A stream that ends after these pieces.
pub(crate) fn stream(pieces: impl Into<Vec<Piece>>) -> Answer {
    let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    Answer::Response(response.body(pieces.into()).unwrap())
}

pub(crate) fn events(text: impl Into<Bytes>) -> Answer {
    stream([data(text)])
}

#[derive(Debug)]
pub(crate) struct Failure(pub(crate) &'static str);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {}

/// A service that is never ready at once, and panics when it is called without having said that it is.
///
/// When its answers are used up it says 204, so that whoever reads to the end comes to one.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    answers: VecDeque<Answer>,
    pub(crate) log: Log,
    readiness: Readiness,
}

#[derive(Debug, Default, PartialEq)]
enum Readiness {
    #[default]
    No,
    Asked,
    Ready,
}

/// What was asked, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

type Asked = (Instant, Request<String>);

impl Log {
    pub(crate) fn requests(&self) -> Vec<Request<String>> {
        self.0.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    pub(crate) fn uris(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.uri().to_string()).collect()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<Option<String>> {
        let text =
            |headers: &HeaderMap| headers.get(name).map(|value| String::from_utf8(value.as_bytes().into()).unwrap());
        self.requests().iter().map(|request| text(request.headers())).collect()
    }

    /// The times between each request and the one before it, in milliseconds.
    pub(crate) fn waits(&self) -> Vec<u64> {
        let log = self.0.lock().unwrap();
        log.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis() as u64).collect()
    }
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: answers.into_iter().collect(), ..Self::default() }
    }
}

impl Service<Request<String>> for Scripted {
    type Response = Response<ScriptedBody>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send + Sync>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.readiness == Readiness::No {
            self.readiness = Readiness::Asked;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.readiness = Readiness::Ready;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert_eq!(self.readiness, Readiness::Ready, "called without being ready");
        self.readiness = Readiness::No;
        self.log.0.lock().unwrap().push((Instant::now(), request));
        match self.answers.pop_front().unwrap_or_else(|| status(204)) {
            Answer::Response(response) => Box::pin(async { Ok(response.map(ScriptedBody::new)) }),
            Answer::Error => Box::pin(async { Err(Failure("no route")) }),
            Answer::Never => Box::pin(pending()),
        }
    }
}

pub(crate) struct ScriptedBody {
    pieces: VecDeque<Piece>,
    sleep: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl ScriptedBody {
    fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces: pieces.into(), sleep: None, is_over: false }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        assert!(!self.is_over, "polled after its end");
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            return Poll::Ready(match self.pieces.pop_front() {
                Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Piece::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
                Some(Piece::Quiet(time)) => {
                    self.sleep = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Piece::Hang) => {
                    self.pieces.push_front(Piece::Hang);
                    return Poll::Pending;
                }
                Some(Piece::Error) => {
                    self.is_over = true;
                    Some(Err(Failure("reset by peer")))
                }
                None => {
                    self.is_over = true;
                    None
                }
            });
        }
    }
}

pub(crate) type Source = EventSource<Scripted, String, ScriptedBody>;

pub(crate) fn get() -> Request<String> {
    Request::get("https://example.com/jobs/events?n=1").body(String::new()).unwrap()
}

/// A source over these answers, and the log of what it asks for.
pub(crate) fn source(answers: impl IntoIterator<Item = Answer>) -> (Source, Log) {
    source_of(get(), answers)
}

pub(crate) fn source_of(request: Request<String>, answers: impl IntoIterator<Item = Answer>) -> (Source, Log) {
    let service = Scripted::new(answers);
    let log = service.log.clone();
    (EventSource::new(service, request), log)
}

/// All that a source tells until it ends.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) opened: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) lost: Vec<buttress_sse::Lost>,
    pub(crate) error: Option<EventSourceError>,
}

impl Told {
    pub(crate) fn data(&self) -> Vec<&str> {
        self.messages.iter().map(Message::data).collect()
    }
}

pub(crate) async fn told(source: Source) -> Told {
    let mut source = std::pin::pin!(source);
    let mut told = Told::default();
    while let Some(item) = source.next().await {
        assert!(told.error.is_none(), "an error is the last item");
        match item {
            Ok(Signal::Opened(_)) => told.opened += 1,
            Ok(Signal::Message(message)) => told.messages.push(message),
            Ok(Signal::Lost(lost)) => told.lost.push(lost),
            Ok(other) => panic!("{other:?}"),
            Err(error) => told.error = Some(error),
        }
    }
    // It stays over.
    assert!(source.next().await.is_none());
    told
}
