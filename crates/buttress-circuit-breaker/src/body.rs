use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::Body;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::reading::Reading;

pin_project! {
    /// The body of an answer, which judges its call when it ends; or the body of a refusal.
    ///
    /// Frames, trailers, errors and hints of the inner body go through as they are.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, the call is counted by [`Policy::early_drop`](crate::Policy::early_drop). It knows its end
    /// by the last frame, so that a reader who stops there has not left early.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Body<B>,
        reading: Reading,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn passed(body: B, reading: Reading) -> Self {
        Self { inner: Body::inner(body), reading }
    }

    pub(crate) fn refusal(inner: Body<B>) -> Self {
        Self { inner, reading: Reading::default() }
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    Body<B>: HttpBody,
{
    type Data = <Body<B> as HttpBody>::Data;
    type Error = <Body<B> as HttpBody>::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        this.reading.run();
        let polled = this.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => this.reading.fail(),
            // A reader that trusts Content-Length never polls for the final `None`.
            Poll::Ready(None) => this.reading.end(),
            Poll::Ready(Some(Ok(_))) if this.inner.is_end_stream() => this.reading.end(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => this.reading.rest(),
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
