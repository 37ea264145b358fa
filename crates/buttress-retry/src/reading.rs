use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Response, response::Parts};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use buttress_core::Problem;

use crate::{
    frames::{Frames, Replay},
    reread::{Read, Reread},
};

/// A failure whose body is read, to learn what it says of a retry.
pub(crate) struct Reading<B: Body> {
    pub(crate) head: Parts,
    rest: Option<Pin<Box<B>>>,
    frames: Frames,
    over: Option<Frame<Bytes>>,
    error: Option<B::Error>,
    limit: usize,
}

impl<B: Body> Reading<B> {
    pub(crate) fn new(response: Response<B>, limit: usize) -> Self {
        let (head, body) = response.into_parts();
        let rest = Some(Box::pin(body));
        Self { head, rest, frames: Frames::default(), over: None, error: None, limit }
    }

    /// Reads on. Ready: as much as there is, or may be read.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(rest) = self.rest.as_mut() {
            let frame = ready!(rest.as_mut().poll_frame(cx));
            if frame.is_none() || rest.is_end_stream() {
                self.rest = None;
            }
            match frame.transpose() {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                    if self.frames.keep(&frame, self.limit).is_err() {
                        self.over = Some(frame);
                        break;
                    }
                }
                Err(error) => {
                    self.rest = None;
                    self.error = Some(error);
                }
            }
        }
        Poll::Ready(())
    }

    /// What it says, if it was read to its end.
    pub(crate) fn told(&self) -> Option<bool> {
        let whole = self.rest.is_none() && self.over.is_none() && self.error.is_none();
        if whole { Problem::retryable_in(&self.frames.text()) } else { None }
    }

    /// The answer as it came.
    pub(crate) fn into_response(self) -> Response<Reread<B>> {
        let Self { head, rest, frames, over, error, limit: _ } = self;
        let read = Read { replay: Replay::of(&frames), frames, over, error, rest };
        Response::from_parts(head, Reread::read(read))
    }
}

/// Whether a body is worth reading: JSON, and not known to be long.
pub(crate) fn is_readable<B: Body>(body: &B, media_type: Option<&HeaderValue>, limit: usize) -> bool {
    let media_type = media_type.map(|value| value.as_bytes().trim_ascii_start()).unwrap_or_default();
    (is(media_type, b"application/json") || is(media_type, b"application/problem+json"))
        && !body.is_end_stream()
        && body.size_hint().lower() <= limit as u64
}

/// Whether a media type is this one, whatever its parameters are.
fn is(media_type: &[u8], essence: &[u8]) -> bool {
    let Some((start, rest)) = media_type.split_at_checked(essence.len()) else { return false };
    start.eq_ignore_ascii_case(essence) && matches!(rest.trim_ascii_start().first(), None | Some(b';'))
}

pin_project! {
    /// A failed answer that is read to its end, so that its connection can be used again.
    pub(crate) struct Drain<B> {
        #[pin]
        body: B,
        left: usize,
    }
}

impl<B: Body> Drain<B> {
    /// Nothing, if there is nothing to read or too much.
    pub(crate) fn new(body: B, limit: usize) -> Option<Self> {
        let worth_it = !body.is_end_stream() && body.size_hint().lower() <= limit as u64;
        worth_it.then_some(Self { body, left: limit })
    }

    /// Ready: at its end, or as far as it may be read.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while let Some(Ok(frame)) = ready!(this.body.as_mut().poll_frame(cx)) {
            let read = frame.data_ref().map_or(0, Buf::remaining);
            match this.left.checked_sub(read.max(1)) {
                Some(left) if !this.body.is_end_stream() => *this.left = left,
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_essence() {
        let json = b"application/json";
        for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/json ;v=1"] {
            assert!(is(media_type.as_bytes(), json), "{media_type}");
        }
        for media_type in ["", "application/jso", "application/json5", "application/json-seq", "text/json"] {
            assert!(!is(media_type.as_bytes(), json), "{media_type}");
        }
    }
}
