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
    keep::{Kept, Where},
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
        Unread { loan: Loan<B> },
        Reading { #[pin] body: B, first: First<B> },
        Again { kept: Arc<Kept<B>>, replay: Replay },
    }
}

/// A body that goes back to where it is kept, unless it is read.
struct Loan<B>(Option<(B, Arc<Kept<B>>)>);

impl<B> Drop for Loan<B> {
    #[inline]
    fn drop(&mut self) {
        if let Some((body, kept)) = self.0.take() {
            kept.slot().body = Where::Unread(body);
        }
    }
}

/// What a first try that reads has to do with what it reads.
struct First<B> {
    kept: Arc<Kept<B>>,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Keeping,
    /// There is too much to keep.
    Passing,
    Ended,
}

impl<B: Body> ReplayBody<B> {
    #[inline]
    pub(crate) fn once(body: B) -> Self {
        Self { kind: Kind::Once { body } }
    }

    #[inline]
    pub(crate) fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// A body that nobody has read of.
    #[inline]
    pub(crate) fn unread(body: B, kept: Arc<Kept<B>>) -> Self {
        Self { kind: Kind::Unread { loan: Loan(Some((body, kept))) } }
    }

    /// What was read of it once.
    pub(crate) fn again(kept: Arc<Kept<B>>, replay: Replay) -> Self {
        Self { kind: Kind::Again { kept, replay } }
    }
}

impl<B: Body> First<B> {
    /// Keeps a frame, the last one perhaps.
    #[inline]
    fn keep(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        if self.stage == Stage::Keeping {
            let slot = &mut *self.kept.slot();
            if slot.frames.keep(frame, slot.limit).is_err() {
                (slot.body, slot.frames) = (Where::TooLarge, Frames::default());
                self.stage = Stage::Passing;
            } else if is_last {
                slot.body = Where::Held;
            }
        }
        if is_last {
            self.stage = Stage::Ended;
        }
    }

    fn finish(&mut self) {
        if self.stage == Stage::Keeping {
            self.kept.slot().body = Where::Held;
        }
        self.stage = Stage::Ended;
    }
}

type Polled<B> = Poll<Option<Result<Frame<Bytes>, <B as Body>::Error>>>;

/// Reads on, and keeps what is read.
#[inline]
fn read<B: Body>(mut body: Pin<&mut B>, first: &mut First<B>, cx: &mut Context<'_>) -> Polled<B> {
    if first.stage == Stage::Ended {
        return Poll::Ready(None);
    }
    let frame = ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map(to_bytes));
    match &frame {
        // A reader that trusts the length never polls for the final `None`.
        Some(Ok(frame)) => first.keep(frame, body.is_end_stream()),
        // What was read of it stays in part.
        Some(Err(_)) => first.stage = Stage::Ended,
        None => first.finish(),
    }
    Poll::Ready(frame)
}

impl<B: Body> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B> {
        let mut kind = self.project().kind;
        if let KindProj::Unread { loan } = kind.as_mut().project() {
            let Some((body, kept)) = loan.0.take() else { return Poll::Ready(None) };
            kind.set(Kind::Reading { body, first: First { kept, stage: Stage::Keeping } });
        }
        match kind.project() {
            KindProj::Once { body } => body.poll_frame(cx).map_ok(to_bytes),
            KindProj::Reading { body, first } => read(body, first, cx),
            KindProj::Again { kept, replay } => Poll::Ready(replay.next(&kept.slot().frames).map(Ok)),
            KindProj::Empty | KindProj::Unread { .. } => Poll::Ready(None),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Once { body } | Kind::Unread { loan: Loan(Some((body, _))) } => body.is_end_stream(),
            Kind::Reading { body, first } => first.stage == Stage::Ended || body.is_end_stream(),
            Kind::Again { replay, .. } => replay.is_over(),
            Kind::Empty | Kind::Unread { loan: Loan(None) } => true,
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Once { body } | Kind::Unread { loan: Loan(Some((body, _))) } => body.size_hint(),
            Kind::Reading { body, first } if first.stage != Stage::Ended => body.size_hint(),
            Kind::Again { replay, .. } => replay.size_hint(),
            Kind::Empty | Kind::Reading { .. } | Kind::Unread { loan: Loan(None) } => SizeHint::with_exact(0),
        }
    }
}

#[inline]
fn to_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Once { .. } => "once",
            Kind::Empty => "empty",
            Kind::Unread { .. } => "unread",
            Kind::Reading { .. } => "reading",
            Kind::Again { .. } => "again",
        };
        f.debug_struct("ReplayBody").field("kind", &kind).finish_non_exhaustive()
    }
}
