//! A body that says what a test has it say, and the layer above it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll, Waker},
};

use buttress_sse::{HeartbeatBody, HeartbeatLayer, UnfinishedEvent};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service, service_fn};

use crate::common::Wakes;

/// The one who makes the body speak; whoever has it can see whether the body is still there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    waker: Option<Waker>,
    polled_after_end: bool,
    over: bool,
}

#[derive(Debug)]
enum Step {
    Frame(Frame<Bytes>),
    Fail,
    End,
}

/// What a scripted body fails with.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script says so")
    }
}

impl std::error::Error for Broken {}

#[derive(Debug)]
pub(crate) struct Scripted(Script);

impl Script {
    pub(crate) fn body(&self) -> Scripted {
        Scripted(self.clone())
    }

    pub(crate) fn send(&self, data: impl Into<Bytes>) {
        self.push(Step::Frame(Frame::data(data.into())));
    }

    pub(crate) fn trailers(&self) {
        self.push(Step::Frame(Frame::trailers(HeaderMap::new())));
    }

    pub(crate) fn fail(&self) {
        self.push(Step::Fail);
    }

    pub(crate) fn end(&self) {
        self.push(Step::End);
    }

    pub(crate) fn was_polled_after_its_end(&self) -> bool {
        self.0.lock().unwrap().polled_after_end
    }

    /// Whether somebody holds the body still.
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn push(&self, step: Step) {
        let mut state = self.0.lock().unwrap();
        state.steps.push_back(step);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut state = self.0.0.lock().unwrap();
        state.polled_after_end |= state.over;
        match state.steps.pop_front() {
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Step::Frame(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Step::Fail) => {
                state.over = true;
                Poll::Ready(Some(Err(Broken)))
            }
            Some(Step::End) => {
                state.over = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.0.lock().unwrap();
        state.over || matches!(state.steps.front(), Some(Step::End))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1_000)
    }
}

/// An answer of type `text/event-stream` with this body.
pub(crate) fn event_stream<B>(body: B) -> Response<B> {
    Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

/// What the layer makes of an answer to GET.
pub(crate) fn through<B>(layer: &HeartbeatLayer, answer: Response<B>) -> Response<HeartbeatBody<B>>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    answer_to(layer, Request::new(()), answer)
}

pub(crate) fn answer_to<B>(
    layer: &HeartbeatLayer,
    request: Request<()>,
    answer: Response<B>,
) -> Response<HeartbeatBody<B>>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut answer = Some(answer);
    let handler = |_| -> Ready<Result<_, Infallible>> { ready(Ok(answer.take().unwrap())) };
    let mut service = layer.layer(service_fn(handler));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(service.poll_ready(&mut cx), Poll::Ready(Ok(())));
    match Box::pin(service.call(request)).as_mut().poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("the handler is always ready"),
    }
}

/// A body behind the layer, polled by hand.
pub(crate) struct Heard<B> {
    pub(crate) body: Pin<Box<HeartbeatBody<B>>>,
    wakes: Arc<Wakes>,
}

/// What one poll gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Text(Bytes),
    Trailers,
    Pending,
    Broken,
    Unfinished,
    End,
}

pub(crate) fn said(text: &'static str) -> Got {
    Got::Text(Bytes::from_static(text.as_bytes()))
}

impl Heard<Scripted> {
    pub(crate) fn new(layer: &HeartbeatLayer, script: &Script) -> Self {
        Self { body: Box::pin(through(layer, event_stream(script.body())).into_body()), wakes: Arc::default() }
    }
}

impl<B> Heard<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn of(body: HeartbeatBody<B>) -> Self {
        Self { body: Box::pin(body), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Got {
        let waker = self.wakes.clone().into();
        match self.body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => Got::Pending,
            Poll::Ready(None) => Got::End,
            Poll::Ready(Some(Ok(frame))) => frame.into_data().map_or(Got::Trailers, Got::Text),
            Poll::Ready(Some(Err(error))) if error.is::<Broken>() => Got::Broken,
            Poll::Ready(Some(Err(error))) => {
                assert!(error.is::<UnfinishedEvent>(), "{error}");
                Got::Unfinished
            }
        }
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}
