use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    IdempotencyStore, RequestBody, ResponseBody,
    bounds::{Below, Recordable},
    detach::Detachable,
    visit::Visit,
};

pin_project! {
    /// The answer to a request: of the inner service, or recorded.
    ///
    /// It needs Tokio's timer when something below is not ready at once.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the inner service was called, it leaves nothing: a key that was just claimed is given back. Dropped
    /// while the inner service works, the run goes on in a task of its own and is recorded, or is dropped and its key
    /// uncertain (or free): see [`Leaving`](crate::Leaving). Outside of a Tokio runtime it is always dropped.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqB, ResB, St>
    where
        S: Service<Request<RequestBody<ReqB>>>,
        ResB: Body,
        St: IdempotencyStore,
    {
        #[pin]
        kind: Kind<S, ReqB, ResB, St>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<S, ReqB, ResB, St>
    where
        S: Service<Request<RequestBody<ReqB>>>,
        ResB: Body,
        St: IdempotencyStore,
    {
        Passed { #[pin] future: S::Future },
        Visiting { visit: Detachable<Visit<S, ReqB, ResB, St>> },
    }
}

impl<S, ReqB, ResB, St> ResponseFuture<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>>,
    ResB: Body,
    St: IdempotencyStore,
{
    #[inline]
    pub(crate) fn passed(future: S::Future) -> Self {
        Self { kind: Kind::Passed { future } }
    }

    #[inline]
    pub(crate) fn visiting(visit: Detachable<Visit<S, ReqB, ResB, St>>) -> Self {
        Self { kind: Kind::Visiting { visit } }
    }
}

impl<S, ReqB, ResB, St> Future for ResponseFuture<S, ReqB, ResB, St>
where
    S: Below<ReqB, ResB>,
    ReqB: Body + Send + 'static,
    ResB: Recordable,
    St: IdempotencyStore,
{
    type Output = Result<Response<ResponseBody<ResB, St>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Passed { future } => future.poll(cx).map_ok(|response| response.map(ResponseBody::passed)),
            KindProj::Visiting { visit } => {
                ready!(visit.get().poll(cx));
                Poll::Ready(visit.get().answer())
            }
        }
    }
}

impl<S, ReqB, ResB, St> std::fmt::Debug for ResponseFuture<S, ReqB, ResB, St>
where
    S: Service<Request<RequestBody<ReqB>>>,
    ResB: Body,
    St: IdempotencyStore,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Passed { .. } => "ResponseFuture(passed)",
            Kind::Visiting { .. } => "ResponseFuture(with a key)",
        })
    }
}
