use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use http_body::Body;
use tower_service::Service;

use crate::{
    IdempotencyStore, Key, RecordKey, RequestBody, ResponseBody, ResponseFuture, ScopeOf,
    bounds::{Below, Recordable},
    detach::Detachable,
    refusal::Refusal,
    settings::{Settings, Shared},
    visit::{Name, Visit},
};

/// Runs a request with an idempotency key once, and replays its answer. Made by
/// [`IdempotencyLayer`](crate::IdempotencyLayer).
///
/// It is ready when the inner service is. The inner service's reservation is held while the body of a request with a key is
/// read and its key is claimed; who is answered otherwise, or waits for another run, gives it back.
///
/// # Errors
///
/// Those of the inner service, untouched.
///
/// # Panics
///
/// A panic of the inner service goes on, after its key was settled.
///
/// # Cancel safety
///
/// See [`ResponseFuture`] and [`ResponseBody`].
#[derive(Debug)]
pub struct Idempotency<S, St, Sc> {
    inner: S,
    /// Whether requests without a key are none of its business, whatever they are.
    leaves_others_alone: bool,
    shared: Arc<Shared<St>>,
    scope: Sc,
}

impl<S, St, Sc> Idempotency<S, St, Sc> {
    pub(crate) fn new(inner: S, shared: Arc<Shared<St>>, scope: Sc) -> Self {
        Self { inner, leaves_others_alone: shared.settings.leaves_others_alone(), shared, scope }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below, alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, St, Sc: Clone> Clone for Idempotency<S, St, Sc> {
    fn clone(&self) -> Self {
        let Self { inner, leaves_others_alone, shared, scope } = self;
        Self {
            inner: inner.clone(),
            leaves_others_alone: *leaves_others_alone,
            shared: shared.clone(),
            scope: scope.clone(),
        }
    }
}

impl<S, St, Sc> Idempotency<S, St, Sc>
where
    St: IdempotencyStore,
    Sc: ScopeOf,
{
    /// Whether nothing but passing it on is to be done, by the cheapest of looks. Methods that are idempotent by themselves
    /// are not looked at (IDM-21).
    #[inline]
    fn passes<B>(&self, request: &Request<B>) -> bool {
        !matches!(*request.method(), Method::POST | Method::PATCH) || (self.leaves_others_alone && !has_key(request))
    }

    /// Under which name a request with a key is recorded.
    fn sent(&self, parts: &Parts) -> Result<Name, Refusal> {
        let Settings { secret, form, .. } = &self.shared.settings;
        let key = Key::of(&parts.headers, *form).map_err(Refusal::Invalid)?.ok_or(Refusal::Missing)?;
        let scope = self.scope.scope_of(parts).map_err(Refusal::Scope)?;
        Ok(Name::Sent(RecordKey::sent(secret, &scope, key.as_bytes())))
    }

    /// Under which name one without a key is recorded; `None` when it is not.
    fn unsent(&self, parts: &Parts) -> Option<Result<Name, Refusal>> {
        let settings = &self.shared.settings;
        if settings.is_required(parts) {
            return Some(Err(Refusal::Missing));
        }
        settings.made?;
        let scope = self.scope.scope_of(parts).map_err(Refusal::Scope);
        Some(scope.map(|scope| Name::Made(RecordKey::unsent(&settings.secret, &scope))))
    }
}

fn has_key<B>(request: &Request<B>) -> bool {
    request.headers().keys().any(Key::is_named)
}

impl<S, St, Sc, ReqB, ResB> Service<Request<ReqB>> for Idempotency<S, St, Sc>
where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqB: Body + Send + 'static,
    ResB: Body + Send + 'static,
    ResB::Data: From<Bytes> + Send,
    ResB::Error: Send,
    St: IdempotencyStore,
    Sc: ScopeOf,
{
    type Response = Response<ResponseBody<ResB, St>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB, ResB, St>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        if self.passes(&request) {
            return ResponseFuture::passed(self.inner.call(request.map(RequestBody::passed)));
        }
        self.look_at(request)
    }
}

impl<S, St, Sc> Idempotency<S, St, Sc>
where
    St: IdempotencyStore,
    Sc: ScopeOf,
{
    /// Apart from what is passed on, which is quicker for it.
    #[inline(never)]
    fn look_at<ReqB, ResB>(&mut self, request: Request<ReqB>) -> ResponseFuture<S, ReqB, ResB, St>
    where
        S: Below<ReqB, ResB>,
        ReqB: Body + Send + 'static,
        ResB: Recordable,
    {
        if self.leaves_others_alone || has_key(&request) {
            let visit = Visit::new(self.shared.clone(), request);
            let name = self.sent(visit.parts());
            return self.visit(visit, name);
        }
        let (parts, body) = request.into_parts();
        let name = self.unsent(&parts);
        let request = Request::from_parts(parts, body);
        match name {
            Some(name) => self.visit(Visit::new(self.shared.clone(), request), name),
            None => ResponseFuture::passed(self.inner.call(request.map(RequestBody::passed))),
        }
    }

    fn visit<ReqB, ResB>(
        &mut self,
        visit: Box<Visit<S, ReqB, ResB, St>>,
        name: Result<Name, Refusal>,
    ) -> ResponseFuture<S, ReqB, ResB, St>
    where
        S: Below<ReqB, ResB>,
        ReqB: Body + Send + 'static,
        ResB: Recordable,
    {
        let fresh = self.inner.clone();
        let readied = mem::replace(&mut self.inner, fresh);
        let visit = match name {
            Ok(name) => visit.started(name, readied),
            Err(refusal) => {
                // Its place below is for others, however long this service is kept.
                drop(readied);
                let mut visit = Box::into_pin(visit);
                visit.as_mut().refuse(refusal);
                visit
            }
        };
        ResponseFuture::visiting(Detachable::new(visit, Visit::leave))
    }
}
