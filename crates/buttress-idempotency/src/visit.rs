//! A request with a key, from its body to its answer.

mod ask;
mod leave;
mod work;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use crate::{
    Bid, IdempotencyStore, RecordKey, RequestBody, ResponseBody, Token,
    bounds::{Below, Recordable},
    gather::Gathered,
    keeper::Keeper,
    settings::Shared,
    settling::{Patience, Settling},
    telemetry::Place,
};

/// Under what a request is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    Unknown,
    Sent(RecordKey),
    /// What it asks for is still to come.
    Made(RecordKey),
}

impl Name {
    fn key(self) -> RecordKey {
        self.operation().expect("it is known before it is claimed")
    }

    /// As far as it is known.
    fn operation(self) -> Option<RecordKey> {
        match self {
            Self::Sent(key) => Some(key),
            Self::Unknown | Self::Made(_) => None,
        }
    }
}

type Answer<ResB, St, E> = Result<Response<ResponseBody<ResB, St>>, E>;

pin_project! {
    /// One request with a key.
    pub(crate) struct Visit<S, ReqB, ResB, St>
    where
        S: Service<Request<RequestBody<ReqB>>>,
        ResB: Body,
        St: IdempotencyStore,
    {
        shared: Arc<Shared<St>>,
        name: Name,
        bid: Option<Bid>,
        // From its start until it is called.
        inner: Option<S>,
        readied: bool,
        // Until it is called.
        parts: Option<Parts>,
        gathered: Gathered,
        follow_until: Option<Instant>,
        // The run that was waited for last.
        followed: Option<Token>,
        keeper: Option<Keeper<St>>,
        place: Option<Place>,
        #[pin]
        stage: Stage<S::Future, ReqB, St>,
        // What it comes to, as soon as that is known.
        answer: Option<Answer<ResB, St, S::Error>>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F, ReqB, St>
    where
        St: IdempotencyStore,
    {
        Gathering { #[pin] body: ReqB, patience: Patience },
        Claiming { claim: Option<St::Claim>, patience: Patience },
        // Without a wait: until it is over.
        Following { wait: Option<St::Wait>, until: Pin<Box<Sleep>> },
        Readying,
        Running { #[pin] future: F },
        Settling { settling: Option<Settling<St>> },
        // It has its answer.
        Over,
    }
}

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>>,
    ResB: Body,
    St: IdempotencyStore,
{
    /// Made where it stays: a request is large, and is moved but once.
    #[inline]
    pub(crate) fn new(shared: Arc<Shared<St>>, request: Request<ReqB>) -> Box<Self> {
        let place = Box::new_uninit();
        let (parts, body) = request.into_parts();
        let visit = Self {
            shared,
            name: Name::Unknown,
            bid: None,
            inner: None,
            readied: false,
            parts: Some(parts),
            gathered: Gathered::default(),
            follow_until: None,
            followed: None,
            keeper: None,
            place: None,
            stage: Stage::Gathering { body, patience: Patience::default() },
            answer: None,
        };
        Box::write(place, visit)
    }

    /// The head of its request.
    pub(crate) fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("the request is here until it runs")
    }

    /// It has a key.
    #[inline]
    pub(crate) fn started(mut self: Box<Self>, name: Name, readied: S) -> Pin<Box<Self>> {
        (self.name, self.inner, self.readied) = (name, Some(readied), true);
        Box::into_pin(self)
    }

    /// Its answer, once it is over.
    #[inline]
    pub(crate) fn answer(self: Pin<&mut Self>) -> Answer<ResB, St, S::Error> {
        self.project().answer.take().expect("a future is not polled once it is done")
    }

    /// There is nothing left to do.
    fn end(self: Pin<&mut Self>, answer: Answer<ResB, St, S::Error>) {
        let mut this = self.project();
        *this.answer = Some(answer);
        this.stage.set(Stage::Over);
    }

    /// There is but the store left to tell.
    fn settle(self: Pin<&mut Self>, settling: Settling<St>, answer: Answer<ResB, St, S::Error>) {
        let mut this = self.project();
        *this.answer = Some(answer);
        this.stage.set(Stage::Settling { settling: Some(settling) });
    }
}

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Below<ReqB, ResB>,
    ReqB: Body + Send + 'static,
    ResB: Recordable,
    St: IdempotencyStore,
{
    /// Resolves when it is over. Each stage sets the next one.
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.as_mut().project().stage.project() {
                StageProj::Gathering { .. } => ready!(self.as_mut().gather(cx)),
                StageProj::Claiming { .. } => ready!(self.as_mut().claim(cx)),
                StageProj::Following { .. } => ready!(self.as_mut().follow(cx)),
                StageProj::Readying => ready!(self.as_mut().ready(cx)),
                StageProj::Running { .. } => ready!(self.as_mut().run(cx)),
                StageProj::Settling { settling } => {
                    let settling = settling.as_mut().expect("it is there until the future is dropped");
                    ready!(settling.poll(cx));
                    self.as_mut().project().stage.set(Stage::Over);
                }
                StageProj::Over => return Poll::Ready(()),
            }
        }
    }
}
