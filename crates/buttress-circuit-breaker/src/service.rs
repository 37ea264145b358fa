use std::{
    fmt, mem,
    task::{Context, Poll, ready},
};

use buttress_core::{CorrelationId, Notes};
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    Circuit, Classify, ResponseBody, ResponseFuture, State,
    future::Call,
    layer::Source,
    permit::{Permit, Running, Start},
    refusal::Refused,
    shared::Entered,
};

/// The service of a [`BreakerLayer`](crate::BreakerLayer).
///
/// While its circuit refuses, it is ready whatever the inner service says, asks nothing of it, and answers at once. Else
/// it is ready when the inner service is. Errors of readiness belong to no call: they are passed on and not counted.
///
/// With keys, it cannot know the circuit before the call comes, and is ready when the inner service is.
///
/// # Cancel safety
///
/// A future that is dropped before the head of the answer came is counted by
/// [`Policy::cancelled`](crate::Policy::cancelled), a body that is dropped before its end by
/// [`Policy::early_drop`](crate::Policy::early_drop). A trial gives its place back in any case.
///
/// # Panics
///
/// What panics within the inner service goes on as a panic and is a failure (CBK-9), counted at once; but a panic in the
/// inner `call` while the circuit is closed is counted when this service is dropped or used again.
pub struct Breaker<S, C> {
    inner: S,
    /// The call that is being made. If it panics before there is a future, it stays here: to have it elsewhere, to be
    /// dropped at once, would cost a copy of every future. Dropped before the circuit, which is to be told.
    calling: Running,
    source: Source,
    classify: C,
    ready: Ready,
}

/// Whether a service is ready for its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    No,
    /// The inner service is.
    Yes,
    /// To refuse it.
    Refuses,
}

impl<S, C> Breaker<S, C> {
    pub(crate) fn new(inner: S, source: Source, classify: C) -> Self {
        Self { inner, calling: Running::default(), source, classify, ready: Ready::No }
    }

    /// If the last call panicked, and somebody has caught that, it is here still.
    #[inline]
    fn count_panic(&mut self) {
        if self.calling.is_on() {
            count_panic(&mut self.calling);
        }
    }
}

#[cold]
#[inline(never)]
fn count_panic(calling: &mut Running) {
    drop(mem::take(calling));
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for Breaker<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
    C: Classify<S::Error> + Clone,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // What was reported ready stays ready: the inner service keeps what it has reserved.
        if self.ready != Ready::Yes {
            self.count_panic();
            if self.source.refuses() {
                self.ready = Ready::Refuses;
            } else {
                ready!(self.inner.poll_ready(cx))?;
                self.ready = Ready::Yes;
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let Source::Single(circuit) = &self.source else { return self.call_unless_closed(request) };
        let lane = circuit.lane();
        let standing = lane.standing();
        let Some(start) = Start::if_closed(lane, standing, request.method()).filter(|_| self.ready == Ready::Yes)
        else {
            return self.call_unless_closed(request);
        };
        self.ready = Ready::No;
        note(request.extensions(), State::Closed);
        self.calling.begin(lane, standing);
        // In this order, the future goes to its place at once.
        let call = Call::LetIn { future: self.inner.call(request) };
        ResponseFuture { call, permit: self.calling.come_back(start), classify: self.classify.clone() }
    }
}

impl<S, C: Clone> Breaker<S, C> {
    /// Apart, since most calls are made to one circuit that is closed: their requests are not moved about.
    #[inline(never)]
    fn call_unless_closed<B>(&mut self, mut request: Request<B>) -> ResponseFuture<S::Future, C>
    where
        S: Service<Request<B>>,
    {
        // Who was not polled is a broken promise, of which the inner service may complain.
        let asked = mem::replace(&mut self.ready, Ready::No) != Ready::Refuses;
        self.count_panic();
        let entered = match &self.source {
            Source::Off => Ok(Permit::default()),
            Source::Single(circuit) => enter(circuit, asked, &request),
            Source::Keyed { registry, without_key } => {
                let (parts, body) = request.into_parts();
                let known = (registry.keys.find)(&parts).and_then(|key| registry.use_circuit(&key));
                request = Request::from_parts(parts, body);
                enter(known.as_ref().unwrap_or(without_key), asked, &request)
            }
        };
        match entered {
            Ok(mut permit) => {
                let mut running = permit.run();
                let call = Call::LetIn { future: self.inner.call(request) };
                ResponseFuture { call, permit: running.come_back(permit.start()), classify: self.classify.clone() }
            }
            Err(refused) => ResponseFuture::refused(refused, self.classify.clone()),
        }
    }
}

/// Lets a call in, or says what to answer in its place.
///
/// It is decided here and not in `poll_ready`: an idle ready instance must not sit on the only trial.
fn enter<B>(circuit: &Circuit, asked: bool, request: &Request<B>) -> Result<Permit, Box<Refused>> {
    let (shared, extensions) = (circuit.shared(), request.extensions());
    match if asked { shared.enter() } else { shared.turn_away() } {
        Entered::Admitted(state, ticket) => {
            note(extensions, state);
            Ok(ticket.map_or_else(Permit::default, |ticket| Permit::new(circuit.lane(), ticket, request.method())))
        }
        Entered::Refused(state, wait) => {
            note(extensions, state);
            Err(Box::new(Refused::new(shared, state, wait, extensions.get::<CorrelationId>())))
        }
    }
}

#[inline]
fn note(extensions: &Extensions, state: State) {
    if let Some(notes) = Notes::of(extensions) {
        notes.write(|noted| noted.breaker = Some(state.as_str().into()));
    }
}

impl<S: Clone, C: Clone> Clone for Breaker<S, C> {
    /// The same circuit. A clone starts unready: readiness belongs to an instance.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.source.clone(), self.classify.clone())
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Breaker<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, calling: _, source, classify: _, ready } = self;
        f.debug_struct("Breaker").field("inner", inner).field("source", source).field("ready", ready).finish()
    }
}
