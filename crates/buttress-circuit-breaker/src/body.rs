use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::trial::Permit;

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
        inner: buttress_core::Body<B>,
        permit: Permit,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: buttress_core::Body<B>, permit: Permit) -> Self {
        Self { inner, permit }
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody,
    buttress_core::Body<B>: HttpBody<Data = B::Data, Error = B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let watched = this.permit.watch();
        let polled = this.inner.as_mut().poll_frame(cx);
        // A reader that trusts Content-Length never polls for the final `None`.
        let ended = matches!(polled, Poll::Ready(None)) || this.inner.is_end_stream();
        watched.went_well();
        if let Poll::Ready(Some(Err(_))) = polled {
            this.permit.fail();
        } else if ended {
            this.permit.end();
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
