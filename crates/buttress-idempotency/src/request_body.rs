use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::gather::Gathered;

pin_project! {
    /// The body of a request as the service below gets it: as it came, or read whole before, which a key asks for.
    ///
    /// Data, trailers and hints are those of the body that came.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Passed { #[pin] body: B },
        // Apart, so that requests without a key are moved about as they were. Empty ones have nothing.
        Read { gathered: Option<Box<Gathered>> },
    }
}

impl<B> RequestBody<B> {
    /// Passes a body on.
    #[inline]
    pub(crate) fn passed(body: B) -> Self {
        Self { kind: Kind::Passed { body } }
    }

    pub(crate) fn read(gathered: Gathered) -> Self {
        let gathered = (!gathered.is_empty()).then(|| Box::new(gathered));
        Self { kind: Kind::Read { gathered } }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Passed { body } => body.poll_frame(cx),
            KindProj::Read { gathered } => {
                Poll::Ready(gathered.as_mut().and_then(|gathered| gathered.pop_frame()).map(Ok))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Read { gathered } => gathered.as_ref().is_none_or(|gathered| gathered.is_empty()),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Read { gathered } => {
                SizeHint::with_exact(gathered.as_ref().map_or(0, |gathered| gathered.chunks.len() as u64))
            }
        }
    }
}
