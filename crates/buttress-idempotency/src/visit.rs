//! A request with a key, from its body to its answer.

mod ask;
mod leave;
mod work;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use crate::{
    Bid, IdempotencyStore, RecordKey, RequestBody, ResponseBody,
    gather::Gathered,
    keeper::Keeper,
    settings::Shared,
    settling::{Patience, Settling},
    telemetry::Place,
};

/// Under what a request is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    Sent(RecordKey),
    /// What it asks for is still to come.
    Made(RecordKey),
}

impl Name {
    fn key(self) -> RecordKey {
        let (Self::Sent(key) | Self::Made(key)) = self;
        key
    }
}

type Output<ResB, St, E> = Result<Response<ResponseBody<ResB, St>>, E>;

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
        // Until it is called.
        inner: Option<S>,
        readied: bool,
        // Until it is called.
        parts: Option<Parts>,
        gathered: Gathered,
        follow_until: Option<Instant>,
        keeper: Option<Keeper<St>>,
        place: Option<Place>,
        #[pin]
        stage: Stage<S::Future, ReqB, Output<ResB, St, S::Error>, St>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F, ReqB, T, St>
    where
        St: IdempotencyStore,
    {
        Gathering { #[pin] body: ReqB, patience: Patience },
        Claiming { claim: Option<St::Claim>, patience: Patience },
        Following { wait: St::Wait, until: Pin<Box<Sleep>> },
        Readying,
        Running { #[pin] future: F },
        Settling { settling: Option<Settling<St>>, then: Option<T> },
        Over,
    }
}

/// What comes after a stage.
enum Next<T> {
    /// Another one, which is set.
    Go,
    Done(T),
}

type Turn<ResB, St, E> = Next<Output<ResB, St, E>>;

impl<F, ReqB, T, St: IdempotencyStore> Stage<F, ReqB, T, St> {
    fn claim(mut self: Pin<&mut Self>, shared: &Shared<St>, name: Name, bid: Bid) {
        let claim = Some(shared.store.claim(&name.key(), &bid));
        self.set(Self::Claiming { claim, patience: Patience::default() });
    }

    fn settle(mut self: Pin<&mut Self>, settling: Settling<St>, then: T) {
        self.set(Self::Settling { settling: Some(settling), then: Some(then) });
    }
}

impl<S, ReqB, ResB, St> Visit<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>>,
    ResB: Body,
    St: IdempotencyStore,
{
    #[inline]
    pub(crate) fn new(shared: Arc<Shared<St>>, name: Name, readied: S, parts: Parts, body: ReqB) -> Pin<Box<Self>> {
        // Made where it stays.
        let place = Box::new_uninit();
        let visit = Self {
            shared,
            name,
            bid: None,
            inner: Some(readied),
            readied: true,
            parts: Some(parts),
            gathered: Gathered::default(),
            follow_until: None,
            keeper: None,
            place: None,
            stage: Stage::Gathering { body, patience: Patience::default() },
        };
        Box::into_pin(Box::write(place, visit))
    }
}

impl<S, ReqB, ResB, St> Future for Visit<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>> + Clone,
    ReqB: Body,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
    ResB::Error: Send,
    St: IdempotencyStore,
{
    type Output = Output<ResB, St, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().stage.project() {
                StageProj::Gathering { .. } => ready!(self.as_mut().gather(cx)),
                StageProj::Claiming { .. } => ready!(self.as_mut().claim(cx)),
                StageProj::Following { .. } => ready!(self.as_mut().follow(cx)),
                StageProj::Readying => ready!(self.as_mut().ready(cx)),
                StageProj::Running { .. } => ready!(self.as_mut().run(cx)),
                StageProj::Settling { settling, then } => {
                    let settling = settling.as_mut().expect("it is there until the future is dropped");
                    ready!(settling.poll(cx));
                    Next::Done(then.take().expect("it is polled until it is done"))
                }
                StageProj::Over => panic!("a future is not polled once it is done"),
            };
            if let Next::Done(output) = next {
                self.project().stage.set(Stage::Over);
                return Poll::Ready(output);
            }
        }
    }
}
