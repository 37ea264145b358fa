//! What several test files need: a service and a body that do as they are told.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_circuit_breaker::{Breaker, BreakerLayer, ByStatus, Event, EventKind, Policy, ResponseBody, Window};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tower::{Layer, Service, ServiceExt};

pub(crate) const S: Duration = Duration::from_secs(1);

/// The last ten calls, half of them, open for ten seconds to the instant, two trials.
pub(crate) fn policy() -> Policy {
    Policy::new(Window::calls(10)).minimum_calls(4).open_for(10 * S).trials(2)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Data(&'static str),
    Pending,
    Trailers,
    Error,
    Panic,
}

/// A body that does as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) tells_its_end: bool,
    pub(crate) length: Option<u64>,
}

pub(crate) fn script(steps: &[Step]) -> Script {
    Script { steps: steps.iter().copied().collect(), ..Script::default() }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Broken;

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Panic) => panic!("the body panicked"),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tells_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What the service behind does with a call.
#[derive(Debug)]
pub(crate) enum Then {
    Answer(Response<Script>),
    Fail,
    Panic,
    PanicInCall,
    After(Duration, Box<Then>),
    /// When the test says so.
    When(oneshot::Receiver<Then>),
    Never,
}

pub(crate) fn status(status: u16) -> Then {
    Then::Answer(Response::builder().status(status).body(Script { tells_its_end: true, ..Script::default() }).unwrap())
}

/// Does with each call what is next in line, and counts them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provider(Arc<Mutex<(VecDeque<Then>, usize)>>);

impl Provider {
    pub(crate) fn next(&self, then: Then) -> &Self {
        self.0.lock().unwrap().0.push_back(then);
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

/// An error in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no connection")
    }
}

impl std::error::Error for Refused {}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Script>, Refused>> + Send>>;

impl Service<Request<()>> for Provider {
    type Response = Response<Script>;
    type Error = Refused;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut provider = self.0.lock().unwrap();
        provider.1 += 1;
        let then = provider.0.pop_front().unwrap_or_else(|| status(200));
        drop(provider);
        assert!(!matches!(then, Then::PanicInCall), "the provider panicked in its call");
        Box::pin(carry_out(then))
    }
}

async fn carry_out(mut then: Then) -> Result<Response<Script>, Refused> {
    loop {
        then = match then {
            Then::Answer(response) => return Ok(response),
            Then::Fail => return Err(Refused),
            Then::Panic | Then::PanicInCall => panic!("the provider panicked"),
            Then::Never => std::future::pending().await,
            Then::When(told) => told.await.unwrap(),
            Then::After(time, then) => {
                tokio::time::sleep(time).await;
                *then
            }
        };
    }
}

pub(crate) type Answer = Result<Response<ResponseBody<Script>>, Refused>;

/// A layer over a provider.
pub(crate) struct Stack {
    pub(crate) provider: Provider,
    pub(crate) layer: BreakerLayer,
    pub(crate) service: Breaker<Provider, ByStatus>,
}

impl Stack {
    pub(crate) fn new(policy: Policy) -> Self {
        let provider = Provider::default();
        let layer = BreakerLayer::new("provider", policy).unwrap();
        Self { service: layer.layer(provider.clone()), layer, provider }
    }

    pub(crate) fn circuit(&self) -> buttress_circuit_breaker::Circuit {
        self.layer.circuit().unwrap()
    }

    /// Makes a call that ends in the given way, if it is let in, and reads the body to its end.
    pub(crate) async fn call(&self, then: Then) -> Answer {
        let calls = self.provider.calls();
        self.provider.next(then);
        let mut answer = self.ask().await;
        if self.provider.calls() == calls {
            self.provider.0.lock().unwrap().0.pop_back();
        }
        if let Ok(answer) = &mut answer {
            drain(answer.body_mut());
        }
        answer
    }

    pub(crate) async fn ask(&self) -> Answer {
        self.service.clone().oneshot(Request::new(())).await
    }

    /// Starts a call and says how it ends later.
    pub(crate) fn start(&self) -> Started {
        let (tell, told) = oneshot::channel();
        self.provider.next(Then::When(told));
        let mut call = Box::pin(self.service.clone().oneshot(Request::new(())));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it was let in");
        Started { tell, call }
    }
}

pub(crate) struct Started {
    tell: oneshot::Sender<Then>,
    call: Pin<Box<dyn Future<Output = Answer>>>,
}

impl Started {
    pub(crate) async fn end(self, then: Then) -> Answer {
        self.tell.send(then).unwrap();
        let mut answer = self.call.await;
        if let Ok(answer) = &mut answer {
            drain(answer.body_mut());
        }
        answer
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// Polls a body once, from nowhere.
pub(crate) fn poll<B: Body + Unpin>(body: &mut B) -> Polled<B> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Polls a body until it ends or breaks.
pub(crate) fn drain<B: Body + Unpin>(body: &mut B) {
    while let Poll::Pending | Poll::Ready(Some(Ok(_))) = poll(body) {}
}

/// Keeps what a hook is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<EventKind>>>);

impl Told {
    pub(crate) fn by(&self, policy: Policy) -> Policy {
        let told = self.0.clone();
        policy.on_event(move |event: &Event<'_>| told.lock().unwrap().push(event.kind.clone()))
    }

    /// What was told since this was asked last.
    pub(crate) fn take(&self) -> Vec<EventKind> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
