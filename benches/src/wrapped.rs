//! A layer that does nothing, in the shape of those that watch an answer: what wrapping costs by itself.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

/// What a call would have to be known by, as large as that of a breaker.
type Known = [u64; 4];

/// Wraps the future and the body of a service.
pub(super) struct Wrapped<S>(pub(super) S);

impl<S, ReqB, ResB> Service<Request<ReqB>> for Wrapped<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<WrappedBody<ResB>>;
    type Error = S::Error;
    type Future = WrappedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let known = std::hint::black_box([1; 4]);
        WrappedFuture { inner: Some(self.0.call(request)), known }
    }
}

pin_project! {
    pub(super) struct WrappedFuture<F> {
        #[pin]
        inner: Option<F>,
        known: Known,
    }
}

impl<F, B, E> Future for WrappedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<WrappedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("it is always there");
        let known = *this.known;
        inner
            .poll(cx)
            .map_ok(|answer| answer.map(|body| WrappedBody { inner: buttress_core::Body::inner(body), known }))
    }
}

pin_project! {
    pub(super) struct WrappedBody<B> {
        #[pin]
        inner: buttress_core::Body<B>,
        known: Known,
    }
}

impl<B> Body for WrappedBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        std::hint::black_box(this.known);
        this.inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
