//! A service whose streams are written by the test, behind the layer that keeps them.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use buttress_sse::{
    Cursor, Decoder, Frame as Decoded, MemoryLog, ResumeBody, ResumeFuture, ResumeLayer, ResumeService, Retention,
    StreamKey,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::{Layer, Service, ServiceExt};

use crate::common::{Seen, named};

/// A body that says what the test sends; an error is a stream that fails.
pub(crate) struct Script(UnboundedReceiver<Result<Bytes, ()>>, Arc<AtomicUsize>);

pub(crate) type Pen = UnboundedSender<Result<Bytes, ()>>;

impl Body for Script {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        Poll::Ready(ready!(self.0.poll_recv(cx)).map(|said| said.map(Frame::data)))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers `/none` with 404, everything else with a stream.
#[derive(Clone, Default)]
pub(crate) struct Handler {
    pub(crate) pens: Arc<Mutex<Vec<Pen>>>,
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) ended: Arc<AtomicUsize>,
    /// Polls that each answer takes.
    pub(crate) slow: usize,
}

impl Service<Request<()>> for Handler {
    type Response = Response<Script>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Script>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        Box::pin(async move {
            for _ in 0..this.slow {
                tokio::task::yield_now().await;
            }
            let (pen, script) = unbounded_channel();
            let script = Script(script, this.ended.clone());
            if request.uri().path() == "/none" {
                return Ok(Response::builder().status(404).header("x-own", "1").body(script).unwrap());
            }
            this.pens.lock().unwrap().push(pen);
            let response = Response::builder().header("content-type", "text/event-stream").header("x-own", "1");
            Ok(response.header("content-length", "5").body(script).unwrap())
        })
    }
}

pub(crate) type Resuming = ResumeService<Handler, MemoryLog>;
pub(crate) type Answer = Response<ResumeBody<Script, MemoryLog>>;
pub(crate) type Answering = ResumeFuture<Handler, (), <Handler as Service<Request<()>>>::Future, MemoryLog>;

pub(crate) struct Stage {
    pub(crate) handler: Handler,
    pub(crate) layer: ResumeLayer<MemoryLog>,
    pub(crate) service: Resuming,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Retention::default(), |layer| layer)
    }

    pub(crate) fn with(
        retention: Retention,
        set: impl FnOnce(ResumeLayer<MemoryLog>) -> ResumeLayer<MemoryLog>,
    ) -> Self {
        Self::of(Handler::default(), retention, set)
    }

    pub(crate) fn of(
        handler: Handler,
        retention: Retention,
        set: impl FnOnce(ResumeLayer<MemoryLog>) -> ResumeLayer<MemoryLog>,
    ) -> Self {
        let layer = set(ResumeLayer::new(MemoryLog::new(retention).unwrap(), key));
        Self { service: layer.layer(handler.clone()), layer, handler }
    }

    pub(crate) async fn get(&self, request: Request<()>) -> Answer {
        self.service.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn reader(&self, user: &str, cursor: Option<&str>) -> Reader {
        Reader::new(self.get(request(user, cursor)).await)
    }

    pub(crate) fn calls(&self) -> usize {
        self.handler.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.handler.ended.load(Ordering::SeqCst)
    }

    /// The stream that the handler answered with at its last call.
    pub(crate) fn pen(&self) -> Pen {
        self.handler.pens.lock().unwrap().pop().unwrap()
    }
}

fn key(request: &http::request::Parts) -> Option<StreamKey> {
    let user = request.headers.get("x-user")?.to_str().ok()?;
    Some(StreamKey::scoped(user, request.uri.path()))
}

pub(crate) fn request(user: &str, cursor: Option<&str>) -> Request<()> {
    let request = Request::get("/events").header("x-user", user);
    let request = cursor.iter().fold(request, |request, cursor| request.header("last-event-id", *cursor));
    request.body(()).unwrap()
}

pub(crate) fn say(pen: &Pen, text: &str) {
    pen.send(Ok(Bytes::copy_from_slice(text.as_bytes()))).unwrap();
}

/// A conforming client on one connection.
pub(crate) struct Reader {
    pub(crate) status: u16,
    pub(crate) from: Option<String>,
    body: Pin<Box<ResumeBody<Script, MemoryLog>>>,
    decoder: Decoder,
}

impl Reader {
    pub(crate) fn new(answer: Answer) -> Self {
        let from = answer.headers().get("replay-from").map(|from| from.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        Self { status, from, body: Box::pin(answer.into_body()), decoder: Decoder::new() }
    }

    /// The next event, if there is one before the end.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        loop {
            let mut data = self.body.frame().await?.unwrap().into_data().unwrap();
            let mut seen = None;
            while let Some(frame) = self.decoder.decode(&mut data).unwrap() {
                if let Decoded::Message(message) = frame {
                    assert!(seen.is_none(), "one frame is one event");
                    seen = Some(named(message.name(), message.data(), message.id()));
                }
            }
            if seen.is_some() {
                return seen;
            }
        }
    }

    /// The data of so many events.
    pub(crate) async fn data(&mut self, events: usize) -> Vec<String> {
        let mut data = Vec::new();
        for _ in 0..events {
            match self.next().await {
                Some(Seen::Message { data: text, .. }) => data.push(text),
                other => panic!("no further event, but {other:?}"),
            }
        }
        data
    }

    /// The data of all events up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(Seen::Message { data, .. }) = self.next().await {
            rest.push(data);
        }
        rest
    }

    pub(crate) fn cursor(&self) -> String {
        self.decoder.last_event_id().to_owned()
    }

    pub(crate) fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }
}

pub(crate) fn offset(cursor: &str) -> u64 {
    cursor.parse::<Cursor>().unwrap().offset()
}
