use std::{
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{reading::Reading, watched::Fail};

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
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Passed { #[pin] body: B, reading: Reading },
        Refusal { #[pin] body: buttress_core::Body<B> },
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn passed(body: B, reading: Reading) -> Self {
        Self { kind: Kind::Passed { body, reading } }
    }

    pub(crate) fn refusal(body: buttress_core::Body<B>) -> Self {
        Self { kind: Kind::Refusal { body } }
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
        let (mut body, reading) = match self.project().kind.project() {
            KindProj::Passed { body, reading } => (body, reading),
            KindProj::Refusal { body } => return body.poll_frame(cx),
        };
        let watched = reading.watch();
        let polled = body.as_mut().poll_frame(cx);
        // A reader that trusts Content-Length never polls for the final `None`.
        let ended = matches!(polled, Poll::Ready(None)) || body.is_end_stream();
        watched.went_well();
        // Judging does not panic, and would leak the frame if it did: so there is nothing to clean up, and the frame is
        // not moved for the sake of it.
        let polled = ManuallyDrop::new(polled);
        if let Poll::Ready(Some(Err(_))) = *polled {
            reading.fail();
        } else if ended {
            reading.end();
        }
        ManuallyDrop::into_inner(polled)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body, .. } => body.is_end_stream(),
            Kind::Refusal { body } => body.is_end_stream(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body, .. } => body.size_hint(),
            Kind::Refusal { body } => body.size_hint(),
        }
    }
}
