use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::frames::{Frames, Replay};

pin_project! {
    /// The body of an answer that is handed on: as it arrives, or, where the layer had to look into it to know whether
    /// to try again, from its first byte once more.
    ///
    /// Frames, trailers, errors and hints are those of the body below.
    pub struct Reread<B>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B>
    where
        B: Body,
    {
        Unread { #[pin] body: B },
        Read { read: Box<Read<B>> },
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// What was read of a body, and where it goes on.
pub(crate) struct Read<B: Body> {
    pub(crate) frames: Frames,
    pub(crate) replay: Replay,
    /// A frame that found no room.
    pub(crate) over: Option<Frame<Bytes>>,
    pub(crate) error: Option<B::Error>,
    /// The rest, unless it has ended.
    pub(crate) rest: Option<Pin<Box<B>>>,
}

impl<B: Body> Reread<B> {
    #[inline]
    pub(crate) fn unread(body: B) -> Self {
        Self { kind: Kind::Unread { body } }
    }

    pub(crate) fn read(read: Read<B>) -> Self {
        Self { kind: Kind::Read { read: Box::new(read) } }
    }
}

impl<B> Body for Reread<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Unread { body } => body.poll_frame(cx),
            KindProj::Read { read } => read.poll_frame(cx),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Unread { body } => body.is_end_stream(),
            Kind::Read { read } => read.is_end_stream(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Unread { body } => body.size_hint(),
            Kind::Read { read } => read.size_hint(),
        }
    }
}

impl<B> Read<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        if let Some(frame) = self.replay.next(&self.frames).or_else(|| self.over.take()) {
            return Poll::Ready(Some(Ok(frame.map_data(Into::into))));
        }
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            Some(rest) => rest.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<B: Body> Read<B> {
    fn is_end_stream(&self) -> bool {
        let is_over = self.replay.is_over() && self.over.is_none() && self.error.is_none();
        is_over && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let over = self.over.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let read = self.replay.size_hint().lower() + over;
        let rest = match &self.rest {
            _ if self.error.is_some() => SizeHint::new(),
            Some(rest) => rest.size_hint(),
            None => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(read.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(read.saturating_add(upper));
        }
        hint
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for Reread<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unread { body } => f.debug_tuple("Reread").field(body).finish(),
            Kind::Read { .. } => f.debug_struct("Reread").finish_non_exhaustive(),
        }
    }
}
