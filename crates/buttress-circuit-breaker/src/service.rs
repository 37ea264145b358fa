use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{CorrelationId, Notes};
use http::{Extensions, Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    Circuit, Classify, ResponseBody, ResponseFuture, State, future::Call, lane::Lane, layer::Source, permit::Permit,
    refusal::Refused, registry::Registry, shared::Entered,
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
pub struct Breaker<S, C> {
    inner: S,
    source: Source,
    classify: C,
    polled: Polled,
}

/// What `poll_ready` last said, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polled {
    No,
    /// The circuit refuses: the inner service was not asked.
    Refusing,
    Ready,
}

impl<S, C> Breaker<S, C> {
    pub(crate) fn new(inner: S, source: Source, classify: C) -> Self {
        Self { inner, source, classify, polled: Polled::No }
    }
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
        if self.polled != Polled::Ready {
            self.polled = if self.source.refuses() {
                Polled::Refusing
            } else {
                ready!(self.inner.poll_ready(cx))?;
                Polled::Ready
            };
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // Who was not polled is a broken promise, of which the inner service may complain.
        let asked = mem::replace(&mut self.polled, Polled::No) != Polled::Refusing;
        let Self { inner, source, classify, polled: _ } = self;
        let entered = match source {
            Source::Off => Ok(Permit::default()),
            Source::Single(circuit) => enter(circuit, asked, &request),
            Source::Keyed { registry, without_key } => {
                return call_keyed(registry, without_key, asked, request, inner, classify);
            }
        };
        match entered {
            Ok(mut permit) => {
                let watched = permit.watch();
                let future = inner.call(request);
                watched.went_well();
                // Not by a function: the future would be moved twice.
                ResponseFuture { call: Call::LetIn { future }, permit, classify: classify.clone() }
            }
            Err(refused) => ResponseFuture::refused(refused, classify.clone()),
        }
    }
}

/// Apart, so that a request without keys is not moved about.
#[inline(never)]
fn call_keyed<S, C, ReqB>(
    registry: &Registry,
    without_key: &Circuit,
    asked: bool,
    request: Request<ReqB>,
    inner: &mut S,
    classify: &C,
) -> ResponseFuture<S::Future, C>
where
    S: Service<Request<ReqB>>,
    C: Clone,
{
    let (parts, body) = request.into_parts();
    let known = (registry.keys.find)(&parts).and_then(|key| registry.use_circuit(&key));
    let request = Request::from_parts(parts, body);
    let circuit = known.as_ref().unwrap_or(without_key);
    match enter(circuit, asked, &request) {
        Ok(mut permit) => {
            let watched = permit.watch();
            let future = inner.call(request);
            watched.went_well();
            // Not by a function: the future would be moved twice.
            ResponseFuture { call: Call::LetIn { future }, permit, classify: classify.clone() }
        }
        Err(refused) => ResponseFuture::refused(refused, classify.clone()),
    }
}

/// Lets a call in, or says what to answer in its place. A closed circuit takes no lock.
///
/// It is decided here and not in `poll_ready`: an idle ready instance must not sit on the only trial. Always inlined: the
/// request is looked at where it is.
#[inline(always)]
fn enter<B>(circuit: &Circuit, asked: bool, request: &Request<B>) -> Result<Permit, Box<Refused>> {
    let lane = circuit.lane();
    let standing = lane.standing();
    if !asked || !standing.is_closed() {
        return enter_unless_closed(lane, asked, request.method(), request.extensions());
    }
    note(request.extensions(), State::Closed);
    Ok(Permit::new(lane, standing, request.method()))
}

#[inline(never)]
fn enter_unless_closed(
    lane: &Arc<Lane>,
    asked: bool,
    method: &Method,
    extensions: &Extensions,
) -> Result<Permit, Box<Refused>> {
    let shared = lane.shared();
    match if asked { shared.enter() } else { shared.turn_away() } {
        Entered::Admitted(state, ticket) => {
            note(extensions, state);
            Ok(ticket.map_or_else(Permit::default, |ticket| Permit::new(lane, ticket, method)))
        }
        Entered::Refused(state, wait) => {
            note(extensions, state);
            Err(Box::new(Refused::new(shared, state, wait, extensions.get::<CorrelationId>())))
        }
    }
}

#[inline]
fn note(extensions: &Extensions, state: State) {
    if let Some(notes) = extensions.get::<Notes>() {
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
        let Self { inner, source, classify: _, polled } = self;
        f.debug_struct("Breaker").field("inner", inner).field("source", source).field("polled", polled).finish()
    }
}
