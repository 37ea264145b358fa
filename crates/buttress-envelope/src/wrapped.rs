use std::{
    error::Error,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    BoxError,
    envelope::{NO_DATA, PREFIX, SUFFIX, wrapped_len},
};

pin_project! {
    /// Prefix, the frames of the inner body, suffix, and then the trailers.
    #[derive(Debug)]
    pub(crate) struct Wrapped<B> {
        #[pin]
        body: B,
        stage: Stage,
        // What the inner body said of its length before its first frame.
        promised: u64,
        // What of it has not come yet.
        left: u64,
    }
}

#[derive(Debug)]
enum Stage {
    Prefix,
    Inner,
    /// All that was promised has come, and the inner body says that it has ended.
    Suffix,
    Trailers(Box<HeaderMap>),
    End,
}

/// A length that is not known: no body is longer.
const UNKNOWN: u64 = u64::MAX;

impl<B: Body> Wrapped<B> {
    #[inline]
    pub(crate) fn new(body: B) -> Self {
        let promised = body.size_hint().exact().unwrap_or(UNKNOWN);
        Self { body, stage: Stage::Prefix, promised, left: promised }
    }
}

impl<B> Wrapped<B> {
    fn is_untouched(&self) -> bool {
        self.left == self.promised
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

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        // Inner → Inner | Suffix | Trailers | End; after an error End, and never the suffix.
        if let Stage::Inner = this.stage {
            let polled = this.body.as_mut().poll_frame(cx);
            let mut more = 0;
            if let Poll::Ready(Some(Ok(frame))) = &polled
                && let Some(data) = frame.data_ref()
            {
                more = data.remaining() as u64;
                if let Some(left) = this.left.checked_sub(more) {
                    *this.left = left;
                    if left == 0 && more > 0 && this.body.is_end_stream() {
                        *this.stage = Stage::Suffix;
                    }
                    return polled.map_err(Into::into);
                }
            }
            let last = ready!(polled);
            *this.stage = Stage::End;
            if last.is_none() && is_whole(*this.promised, *this.left) {
                return fixed(end(*this.promised, *this.left));
            }
            return match trailers(last, *this.promised, *this.left, more) {
                Ok(trailers) => {
                    *this.stage = Stage::Trailers(trailers);
                    fixed(end(*this.promised, *this.left))
                }
                Err(error) => Poll::Ready(Some(Err(error))),
            };
        }
        // Prefix → Inner
        if let Stage::Prefix = this.stage {
            *this.stage = Stage::Inner;
            return fixed(PREFIX);
        }
        // Suffix | Trailers → End
        match mem::replace(this.stage, Stage::End) {
            Stage::Suffix => fixed(SUFFIX),
            Stage::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            _ => Poll::Ready(None),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        matches!(self.stage, Stage::End)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        // Nothing has come yet, so that it still has the length that it had.
        if matches!(self.stage, Stage::Prefix) && self.promised != UNKNOWN {
            return SizeHint::with_exact(wrapped_len(self.promised));
        }
        self.hint_on_the_way()
    }
}

impl<B: Body> Wrapped<B> {
    fn hint_on_the_way(&self) -> SizeHint {
        let before = match self.stage {
            Stage::Prefix => PREFIX.len() as u64,
            Stage::Inner => 0,
            Stage::Suffix => return SizeHint::with_exact(SUFFIX.len() as u64),
            Stage::Trailers(_) | Stage::End => return SizeHint::with_exact(0),
        };
        let hint = self.body.size_hint();
        let (lower, upper) = (hint.lower(), hint.upper());
        let ends = before + SUFFIX.len() as u64;
        // Where no data has come, `null` may have to stand in.
        let nothing = (NO_DATA.len() - SUFFIX.len()) as u64;
        let (lower, upper) = match upper {
            _ if !self.is_untouched() => (lower, upper),
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

/// What comes after the data, of which there may have been none.
fn end(promised: u64, left: u64) -> &'static [u8] {
    if left == promised { NO_DATA } else { SUFFIX }
}

fn fixed<D: From<Bytes>>(part: &'static [u8]) -> Poll<Option<Result<Frame<D>, BoxError>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part).into()))))
}

/// Whether no less came than was promised: a client must not take a part for the whole.
#[inline]
fn is_whole(promised: u64, left: u64) -> bool {
    left == 0 || promised == UNKNOWN
}

/// What comes after the data, if that is trailers and the data was whole. Data that comes here is more than was left.
#[inline(never)]
fn trailers<D, E: Into<BoxError>>(
    last: Option<Result<Frame<D>, E>>,
    promised: u64,
    left: u64,
    more: u64,
) -> Result<Box<HeaderMap>, BoxError> {
    match last.transpose().map_err(Into::into)?.map(Frame::into_trailers) {
        Some(Ok(trailers)) if is_whole(promised, left) => Ok(Box::new(trailers)),
        _ => Err(mismatch(promised, (promised - left).saturating_add(more))),
    }
}

#[cold]
fn mismatch(promised: u64, seen: u64) -> BoxError {
    Box::new(LengthMismatch { promised, seen })
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
