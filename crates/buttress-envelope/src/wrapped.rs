use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    BoxError,
    envelope::{NO_DATA, PREFIX, SUFFIX},
};

pin_project! {
    /// Prefix, the frames of the inner body, suffix, and then the trailers.
    #[derive(Debug)]
    pub(crate) struct Wrapped<B> {
        #[pin]
        body: B,
        stage: Stage,
        // What the inner body said of its length before its first frame.
        exact: Option<u64>,
        seen: u64,
        early: Option<Box<Early>>,
        trailers: Option<Box<HeaderMap>>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prefix,
    Inner,
    Suffix,
    Trailers,
    End,
}

/// What was read of a body before it was wrapped.
#[derive(Debug, Default)]
pub(crate) struct Early {
    pub(crate) data: Bytes,
    /// What came after the data, unless there is more to read.
    pub(crate) end: Option<Result<Option<HeaderMap>, BoxError>>,
}

impl<B: Body> Wrapped<B> {
    pub(crate) fn new(body: B) -> Self {
        let exact = body.size_hint().exact();
        Self { body, stage: Stage::Prefix, exact, seen: 0, early: None, trailers: None }
    }

    /// Wraps a body of which a part was read.
    pub(crate) fn resumed(body: B, early: Early) -> Self {
        let (read, exact) = (early.data.len() as u64, body.size_hint().exact());
        let exact = match early.end {
            Some(_) => None,
            None => exact.map(|left| left.saturating_add(read)),
        };
        Self { body, stage: Stage::Prefix, exact, seen: 0, early: Some(Box::new(early)), trailers: None }
    }
}

impl<B> Body for Wrapped<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        loop {
            let this = self.as_mut().project();
            match *this.stage {
                // Prefix → Inner
                Stage::Prefix => {
                    *this.stage = Stage::Inner;
                    return fixed(PREFIX);
                }
                // Inner → Inner | Suffix, or End after an error: never the suffix.
                Stage::Inner => match ready!(self.as_mut().poll_inner(cx)) {
                    Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                    Some(Err(error)) => {
                        *self.as_mut().project().stage = Stage::End;
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => *self.as_mut().project().stage = Stage::Suffix,
                },
                // Suffix → Trailers | End
                Stage::Suffix => {
                    *this.stage = if this.trailers.is_some() { Stage::Trailers } else { Stage::End };
                    return fixed(if *this.seen == 0 { NO_DATA } else { SUFFIX });
                }
                // Trailers → End
                Stage::Trailers => {
                    *this.stage = Stage::End;
                    return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))));
                }
                Stage::End => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stage == Stage::End
    }

    fn size_hint(&self) -> SizeHint {
        let before = match self.stage {
            Stage::Prefix => PREFIX.len() as u64,
            Stage::Inner => 0,
            Stage::Suffix => return SizeHint::with_exact(self.end().len() as u64),
            Stage::Trailers | Stage::End => return SizeHint::with_exact(0),
        };
        let (lower, upper) = self.inner_hint();
        let ends = before + SUFFIX.len() as u64;
        // Where no data has come, `null` may have to stand in.
        let nothing = (NO_DATA.len() - SUFFIX.len()) as u64;
        let (lower, upper) = match upper {
            _ if self.seen > 0 => (lower, upper),
            Some(0) => (nothing, Some(nothing)),
            Some(upper) => (lower.max(1), Some(if lower == 0 { upper.max(nothing) } else { upper })),
            None => (lower.max(1), None),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(lower.saturating_add(ends));
        if let Some(upper) = upper.and_then(|upper| upper.checked_add(ends)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B> Wrapped<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    /// The next frame of data, or `None` where the data ends as it should.
    #[inline]
    fn poll_inner(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if self.early.is_some()
            && let Some(step) = self.as_mut().early()
        {
            return Poll::Ready(step);
        }
        let this = self.project();
        match ready!(this.body.poll_frame(cx)) {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    *this.seen = this.seen.saturating_add(data.remaining() as u64);
                    let fits = this.exact.is_none_or(|exact| *this.seen <= exact);
                    Poll::Ready(Some(if fits { Ok(frame) } else { Err(mismatch(this.exact, *this.seen)) }))
                }
                None => {
                    *this.trailers = frame.into_trailers().ok().map(Box::new);
                    Poll::Ready(short(this.exact, *this.seen))
                }
            },
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Ready(short(this.exact, *this.seen)),
        }
    }

    /// What was read before, as the body would have said it; `None` where it goes on with the body itself.
    #[cold]
    fn early(self: Pin<&mut Self>) -> Option<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let early = this.early.as_mut()?;
        if !early.data.is_empty() {
            *this.seen += early.data.len() as u64;
            return Some(Some(Ok(Frame::data(std::mem::take(&mut early.data).into()))));
        }
        let end = this.early.take()?.end?;
        Some(match end {
            Ok(trailers) => {
                *this.trailers = trailers.map(Box::new);
                None
            }
            Err(error) => Some(Err(error)),
        })
    }
}

impl<B: Body> Wrapped<B> {
    fn end(&self) -> &'static [u8] {
        if self.seen == 0 { NO_DATA } else { SUFFIX }
    }

    /// How much data is to come.
    fn inner_hint(&self) -> (u64, Option<u64>) {
        let early = self.early.as_ref();
        let read = early.map_or(0, |early| early.data.len() as u64);
        if early.is_some_and(|early| early.end.is_some()) {
            return (read, Some(read));
        }
        let hint = self.body.size_hint();
        (hint.lower().saturating_add(read), hint.upper().and_then(|upper| upper.checked_add(read)))
    }
}

fn fixed<D: From<Bytes>>(part: &'static [u8]) -> Poll<Option<Result<Frame<D>, BoxError>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part).into()))))
}

/// An error where less came than was promised: a client must not take what it has for the whole.
fn short<D>(exact: &Option<u64>, seen: u64) -> Option<Result<Frame<D>, BoxError>> {
    exact.is_some_and(|exact| seen < exact).then(|| Err(mismatch(exact, seen)))
}

fn mismatch(exact: &Option<u64>, seen: u64) -> BoxError {
    Box::new(LengthMismatch { promised: exact.unwrap_or_default(), seen })
}

/// A body had more or less data than it had said it would have. The answer is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthMismatch {
    promised: u64,
    seen: u64,
}

impl LengthMismatch {
    /// How many bytes the body had said it would have.
    #[must_use]
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// How many bytes had come when the mismatch was noticed.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

impl fmt::Display for LengthMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a body of {} bytes had {}", self.promised, self.seen)
    }
}

impl Error for LengthMismatch {}
