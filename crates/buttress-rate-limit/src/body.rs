use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::Body;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::gather::Places;

pin_project! {
    /// The body of an answer: the inner one, or that of a refusal.
    ///
    /// Frames, trailers, errors and hints of the inner body go through as they are. The places of concurrency limits are
    /// given back at its end, at its error, and when it is dropped (RLM-13).
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Body<B>,
        // Apart, since most answers have none.
        places: Option<Box<Places>>,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn plain(body: B) -> Self {
        Self::passed(body, None)
    }

    #[inline]
    pub(crate) fn passed(body: B, places: Option<Box<Places>>) -> Self {
        Self { inner: Body::inner(body), places }
    }

    pub(crate) fn refused(body: Body<Infallible>) -> Self {
        Self { inner: body.for_any(), places: None }
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
        let polled = this.inner.as_mut().poll_frame(cx);
        // A reader that trusts Content-Length never polls for the final `None`.
        if this.places.is_some() && (matches!(polled, Poll::Ready(None | Some(Err(_)))) || this.inner.is_end_stream()) {
            *this.places = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
