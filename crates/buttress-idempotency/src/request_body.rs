use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{chunks::Chunks, gather::Gathered};

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
        Read { chunks: Chunks, trailers: Option<Box<HeaderMap>> },
    }
}

impl<B> RequestBody<B> {
    /// Passes a body on.
    #[inline]
    pub(crate) fn passed(body: B) -> Self {
        Self { kind: Kind::Passed { body } }
    }

    pub(crate) fn read(gathered: Gathered) -> Self {
        let Gathered { chunks, trailers } = gathered;
        Self { kind: Kind::Read { chunks, trailers } }
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
            KindProj::Read { chunks, trailers } => {
                let data = chunks.pop().map(|data| Frame::data(data.into()));
                Poll::Ready(data.or_else(|| trailers.take().map(|trailers| Frame::trailers(*trailers))).map(Ok))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Read { chunks, trailers } => chunks.len() == 0 && trailers.is_none(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Read { chunks, .. } => SizeHint::with_exact(chunks.len() as u64),
        }
    }
}
