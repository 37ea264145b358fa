use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    IdempotencyStore,
    capture::{Capture, Polled},
    detach::{Detachable, Last},
};

pin_project! {
    /// The body of an answer: passed on, passed on and recorded, recorded before, or of a refusal.
    ///
    /// Frames, trailers, errors and hints of the inner body go through as they are, each as soon as it is there. What is
    /// recorded is recorded before the last frame is handed on, so that whoever has the whole answer finds it recorded.
    ///
    /// Nothing is read ahead of the caller, and the lease of the run is renewed as the body is polled. Of a caller who
    /// takes nothing for longer than that it lapses; the end is recorded all the same, unless another run has the key.
    ///
    /// It needs Tokio's timer for an answer that is to be recorded and does not come as one frame.
    ///
    /// # Cancel safety
    ///
    /// A body that is dropped before its end, and is to be recorded, is read to its end by a task of its own; or, by the
    /// choice of [`Leaving`](crate::Leaving), the operation is recorded as done without an answer.
    pub struct ResponseBody<B, St>
    where
        B: Body,
        St: IdempotencyStore,
    {
        #[pin]
        kind: Kind<B, St>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B, St>
    where
        B: Body,
        St: IdempotencyStore,
    {
        Passed { #[pin] body: B },
        Own { own: Own<B, St> },
    }
}

/// What did not come from below as it is. Apart, so that what passes is asked but one question on its way.
enum Own<B, St>
where
    B: Body,
    St: IdempotencyStore,
{
    Captured(Detachable<Capture<B, St>>),
    Told { data: Bytes, trailers: Option<Box<HeaderMap>> },
}

impl<B, St> ResponseBody<B, St>
where
    B: Body,
    St: IdempotencyStore,
{
    #[inline]
    pub(crate) fn passed(body: B) -> Self {
        Self { kind: Kind::Passed { body } }
    }

    /// Of a refusal, or recorded before.
    #[inline]
    pub(crate) fn told(data: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        Self { kind: Kind::Own { own: Own::Told { data, trailers } } }
    }

    pub(crate) fn captured(capture: Detachable<Capture<B, St>>) -> Self {
        Self { kind: Kind::Own { own: Own::Captured(capture) } }
    }

    /// Reads to the end what is to be recorded, for nobody. Dropped before, it gives that up.
    pub(crate) async fn finish(self)
    where
        B::Data: From<Bytes>,
    {
        if let Kind::Own { own: Own::Captured(capture) } = self.kind {
            let mut capture = Last::new(capture.take());
            while poll_fn(|cx| capture.get().poll_frame(cx)).await.is_some() {}
        }
    }
}

impl<B, St> Body for ResponseBody<B, St>
where
    B: Body,
    B::Data: From<Bytes>,
    St: IdempotencyStore,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Passed { body } => body.poll_frame(cx),
            KindProj::Own { own } => own.poll_frame(cx),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Own { own } => own.is_end_stream(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Own { own } => own.size_hint(),
        }
    }
}

impl<B, St> Own<B, St>
where
    B: Body,
    B::Data: From<Bytes>,
    St: IdempotencyStore,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Polled<B>> {
        match self {
            Self::Captured(capture) => capture.get().poll_frame(cx),
            Self::Told { data, .. } if !data.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(data).into()))))
            }
            Self::Told { trailers, .. } => Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(*trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Captured(capture) => capture.peek().is_end_stream(),
            Self::Told { data, trailers } => data.is_empty() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Captured(capture) => capture.peek().size_hint(),
            Self::Told { data, .. } => SizeHint::with_exact(data.len() as u64),
        }
    }
}

impl<B, St> fmt::Debug for ResponseBody<B, St>
where
    B: Body,
    St: IdempotencyStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Passed { .. } => "ResponseBody(passed)",
            Kind::Own { own: Own::Captured(_) } => "ResponseBody(to be recorded)",
            Kind::Own { own: Own::Told { .. } } => "ResponseBody(of a refusal, or replayed)",
        })
    }
}
