use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::Body;
use http::Response;
use pin_project_lite::pin_project;

use crate::{Classify, ResponseBody, refusal::Refused, trial::Permit};

pin_project! {
    /// The future of a [`Breaker`](crate::Breaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, polled or not, the call is counted by
    /// [`Policy::cancelled`](crate::Policy::cancelled), and a trial gives its place back.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C> {
        #[pin]
        kind: Kind<F, C>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProj]
    enum Kind<F, C> {
        Called { #[pin] inner: F, permit: Permit, classify: C },
        Refused { refused: Option<Box<Refused>> },
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(crate) fn called(inner: F, permit: Permit, classify: C) -> Self {
        Self { kind: Kind::Called { inner, permit, classify } }
    }

    pub(crate) fn refused(refused: Refused) -> Self {
        Self { kind: Kind::Refused { refused: Some(Box::new(refused)) } }
    }
}

impl<F, C, B, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
    C: Classify<E>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Called { inner, permit, classify } => {
                let watched = permit.watch();
                let polled = inner.poll(cx);
                watched.went_well();
                Poll::Ready(match ready!(polled) {
                    Ok(answer) => {
                        permit.answer(classify.answer(&answer), &answer);
                        Ok(answer.map(|body| ResponseBody::new(Body::inner(body), mem::take(permit))))
                    }
                    Err(error) => {
                        permit.error(classify.error(&error));
                        Err(error)
                    }
                })
            }
            KindProj::Refused { refused } => {
                let refused = refused.take().expect("a future is not polled again once it is done");
                Poll::Ready(Ok(refused.into_response().map(|body| ResponseBody::new(body, Permit::default()))))
            }
        }
    }
}
