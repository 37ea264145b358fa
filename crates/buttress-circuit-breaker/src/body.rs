use std::{
    mem::ManuallyDrop,
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
        let running = this.reading.run();
        let polled = this.inner.as_mut().poll_frame(cx);
        // A reader that trusts Content-Length never polls for the final `None`.
        let ended = matches!(polled, Poll::Ready(None)) || this.inner.is_end_stream();
        // Judging does not panic, and would leak the frame if it did: so there is nothing to clean up, and the frame is
        // not moved for the sake of it.
        let polled = ManuallyDrop::new(polled);
        match *polled {
            Poll::Ready(Some(Err(_))) => drop(running),
            _ if ended => running.end(),
            _ => this.reading.go_on(running),
        }
        ManuallyDrop::into_inner(polled)
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
