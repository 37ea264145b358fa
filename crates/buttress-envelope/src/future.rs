use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    BoxError, ResponseBody,
    answer::{self, Settled},
    asked::Asked,
    pending::Pending,
    render::Answer,
    telemetry,
};

pin_project! {
    /// The answer to a request, in one shape.
    ///
    /// # Cancel safety
    ///
    /// It holds the inner future, and the body of a foreign failure while that is read: both are dropped with it, and
    /// nothing else is left.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
        asked: Asked,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F, B> {
        Calling { #[pin] future: F },
        Reading { pending: Box<Pending<B>> },
        Panicked,
    }
}

impl<F, B> ResponseFuture<F, B> {
    #[inline]
    pub(crate) fn calling(future: F, asked: Asked) -> Self {
        Self { kind: Kind::Calling { future }, asked }
    }

    #[cold]
    pub(crate) fn panicked(payload: &(dyn Any + Send), asked: Asked) -> Self {
        tell(payload, &asked);
        Self { kind: Kind::Panicked, asked }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    // Short once what is seldom is apart, and a call of it would move the answer once more.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Calling → answered | Reading | Panicked
        if let KindProj::Calling { future } = this.kind.as_mut().project() {
            // Polled in place: what a closure returns is copied on its way out.
            let mut polled = Poll::Pending;
            match catch_unwind(AssertUnwindSafe(|| polled = future.poll(cx))) {
                Ok(()) => {
                    let response = ready!(polled)?;
                    if answer::is_plain(&response, this.asked) {
                        return Poll::Ready(Ok(response.map(ResponseBody::wrapped)));
                    }
                    match answer::settle(response, this.asked) {
                        Settled::Now(response) => return Poll::Ready(Ok(response)),
                        Settled::Later(pending) => this.kind.set(Kind::Reading { pending }),
                    }
                }
                Err(payload) => {
                    tell(&*payload, this.asked);
                    // Drops what panicked: it must not be polled again.
                    this.kind.set(Kind::Panicked);
                }
            }
        }
        after(this.kind, this.asked, cx).map(Ok)
    }
}

/// Reading → answered; what panicked is answered at once.
#[inline(never)]
fn after<F, B>(kind: Pin<&mut Kind<F, B>>, asked: &Asked, cx: &mut Context<'_>) -> Poll<Answer<B>>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    match kind.project() {
        KindProj::Reading { pending } => pending.poll(asked, cx),
        KindProj::Calling { .. } | KindProj::Panicked => Poll::Ready(answer::panicked(asked)),
    }
}

#[cold]
fn tell(payload: &(dyn Any + Send), asked: &Asked) {
    telemetry::panicked(payload, asked.id(&http::HeaderMap::new()).as_ref());
}
