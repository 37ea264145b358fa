use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    frames::{Frames, Replay},
    keep::{Kept, Slot},
};

pin_project! {
    /// The body of a request that may be sent again.
    ///
    /// The first try reads the caller's body and keeps what it read, frame by frame and with its trailers; later tries
    /// send exactly that. Length and end are told as truly as by the body below.
    ///
    /// - More than the limit is not kept: it is passed on, and sent once.
    /// - A body that no try has begun to read is whole: the next try reads it.
    /// - A body that a try has read in part, because the answer came first or the connection broke, is sent once: what
    ///   has been read of it twice could not be told from what was lost (RTY-2).
    pub struct ReplayBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Once { #[pin] body: B },
        Empty,
        First { #[pin] body: Option<B>, first: First<B> },
        Again { replay: Replay },
    }
}

/// The part of a first try that stays where it is.
struct First<B> {
    kept: Arc<Kept<B>>,
    frames: Option<Frames>,
    ended: bool,
}

impl<B: Body> ReplayBody<B> {
    pub(crate) fn once(body: B) -> Self {
        Self { kind: Kind::Once { body } }
    }

    pub(crate) fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    pub(crate) fn first(kept: Arc<Kept<B>>) -> Self {
        let first = First { kept, frames: Some(Frames::default()), ended: false };
        Self { kind: Kind::First { body: None, first } }
    }

    pub(crate) fn again(replay: Replay) -> Self {
        Self { kind: Kind::Again { replay } }
    }
}

impl<B: Body> First<B> {
    /// The body, if this is the first to read it.
    fn borrow(&self) -> Option<B> {
        let mut slot = self.kept.slot();
        match std::mem::replace(&mut *slot, Slot::Lent) {
            Slot::Unread(body) => Some(body),
            other => {
                *slot = other;
                None
            }
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(frames) = &mut self.frames else { return };
        if frames.keep(frame, self.kept.limit).is_err() {
            self.frames = None;
            *self.kept.slot() = Slot::TooLarge;
        }
    }

    fn finish(&mut self) {
        self.ended = true;
        if let Some(frames) = self.frames.take() {
            *self.kept.slot() = Slot::Held(frames);
        }
    }

    fn fail(&mut self) {
        self.ended = true;
        self.frames = None;
    }

    /// Asks the body that nobody has read of yet.
    fn ask<T>(&self, ask: impl FnOnce(&B) -> T) -> Option<T> {
        match &*self.kept.slot() {
            Slot::Unread(body) => Some(ask(body)),
            Slot::Lent | Slot::Held(_) | Slot::TooLarge => None,
        }
    }
}

impl<B: Body> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Once { body } => body.poll_frame(cx).map_ok(to_bytes),
            KindProj::Empty => Poll::Ready(None),
            KindProj::Again { replay } => Poll::Ready(replay.next().map(Ok)),
            KindProj::First { mut body, first } => {
                if body.is_none() && !first.ended {
                    body.set(first.borrow());
                }
                let Some(mut body) = body.as_pin_mut().filter(|_| !first.ended) else {
                    return Poll::Ready(None);
                };
                let frame = match ready!(body.as_mut().poll_frame(cx)) {
                    Some(Ok(frame)) => Some(Ok(to_bytes(frame))),
                    other => other.map(|frame| frame.map(to_bytes)),
                };
                match &frame {
                    Some(Ok(frame)) => first.keep(frame),
                    Some(Err(_)) => first.fail(),
                    None => first.finish(),
                }
                // A reader that trusts the length never polls for the final `None`.
                if !first.ended && body.is_end_stream() {
                    first.finish();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Once { body } => body.is_end_stream(),
            Kind::Empty => true,
            Kind::Again { replay } => replay.is_over(),
            Kind::First { first, .. } if first.ended => true,
            Kind::First { body: Some(body), .. } => body.is_end_stream(),
            Kind::First { body: None, first } => first.ask(B::is_end_stream).unwrap_or(true),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Once { body } => body.size_hint(),
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Again { replay } => replay.size_hint(),
            Kind::First { first, .. } if first.ended => SizeHint::with_exact(0),
            Kind::First { body: Some(body), .. } => body.size_hint(),
            Kind::First { body: None, first } => first.ask(B::size_hint).unwrap_or(SizeHint::with_exact(0)),
        }
    }
}

fn to_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Once { .. } => "once",
            Kind::Empty => "empty",
            Kind::First { .. } => "first",
            Kind::Again { .. } => "again",
        };
        f.debug_struct("ReplayBody").field("kind", &kind).finish_non_exhaustive()
    }
}
