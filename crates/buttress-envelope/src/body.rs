use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    BoxError,
    resumed::{Early, Resumed},
    wrapped::Wrapped,
};

pin_project! {
    /// The body of an answer: passed on, wrapped while it streams, or a failure that was rendered anew.
    ///
    /// A wrapped body adds a frame before and a frame after those of the inner one, which go through untouched; its
    /// trailers come last. Length and end are told as exactly as the inner body tells them.
    ///
    /// # Errors
    ///
    /// What the inner body fails with, and [`LengthMismatch`](crate::LengthMismatch) when it has more or less data than
    /// it said. After either nothing more comes, the closing brace least of all: the connection is broken off, and no
    /// client takes a part for the whole.
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
        // First, as it is told from the others at once.
        Wrapped { #[pin] body: Wrapped<B> },
        Passed { #[pin] body: B },
        // Boxed, as it is seldom and large.
        Resumed { body: Box<Wrapped<Resumed<B>>> },
        Full { data: Option<Bytes> },
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(crate) fn passed(body: B) -> Self {
        Self { kind: Kind::Passed { body } }
    }

    #[inline]
    pub(crate) fn wrapped(body: B) -> Self {
        Self { kind: Kind::Wrapped { body: Wrapped::new(body) } }
    }
}

impl<B> ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    /// Wraps a body of which a part was read.
    pub(crate) fn resumed(body: Pin<Box<B>>, early: Early) -> Self {
        let body = Resumed::new(body, early);
        Self { kind: Kind::Resumed { body: Box::new(Wrapped::new(body)) } }
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn full(data: Bytes) -> Self {
        Self { kind: Kind::Full { data: Some(data).filter(|data| !data.is_empty()) } }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Wrapped { body } => body.poll_frame(cx),
            kind => kind.poll_frame(cx),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Wrapped { body } => body.is_end_stream(),
            kind => kind.is_end_stream(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Wrapped { body } => body.size_hint(),
            kind => kind.size_hint(),
        }
    }
}

// Apart, so that a wrapped body, of which there are most, is asked at once.
impl<B> KindProj<'_, B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    #[inline(never)]
    fn poll_frame(self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match self {
            Self::Passed { body } => body.poll_frame(cx).map_err(Into::into),
            Self::Wrapped { body } => body.poll_frame(cx),
            Self::Resumed { body } => Pin::new(&mut **body).poll_frame(cx),
            Self::Full { data } => Poll::Ready(data.take().map(|data| Ok(Frame::data(data.into())))),
        }
    }
}

impl<B> Kind<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    #[inline(never)]
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed { body } => body.is_end_stream(),
            Self::Wrapped { body } => body.is_end_stream(),
            Self::Resumed { body } => body.is_end_stream(),
            Self::Full { data } => data.is_none(),
        }
    }

    #[inline(never)]
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed { body } => body.size_hint(),
            Self::Wrapped { body } => body.size_hint(),
            Self::Resumed { body } => body.size_hint(),
            Self::Full { data } => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
        }
    }
}
