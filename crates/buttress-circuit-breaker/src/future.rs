use std::{
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
        // `None` of a call that was refused.
        #[pin]
        pub(crate) inner: Option<F>,
        pub(crate) permit: Permit,
        pub(crate) classify: C,
        pub(crate) refused: Option<Box<Refused>>,
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(crate) fn refused(refused: Box<Refused>, classify: C) -> Self {
        Self { inner: None, permit: Permit::default(), classify, refused: Some(refused) }
    }
}

impl<F, C, B, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
    C: Classify<E>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            let refused = this.refused.take().expect("a future is not polled again once it is done");
            return Poll::Ready(Ok(refused.into_response().map(|body| ResponseBody::new(body, Permit::default()))));
        };
        let (permit, classify) = (this.permit, this.classify);
        let watched = permit.watch();
        let polled = inner.poll(cx);
        watched.went_well();
        Poll::Ready(match ready!(polled) {
            Ok(answer) => {
                permit.answer(classify.answer(&answer), &answer);
                Ok(answer.map(|body| ResponseBody::new(Body::inner(body), permit.hand_on())))
            }
            Err(error) => {
                permit.error(classify.error(&error));
                Err(error)
            }
        })
    }
}
