use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Response, header::CONTENT_TYPE, response::Parts};
use http_body::{Body, Frame};

use buttress_core::Problem;

use crate::{
    frames::{Frames, Replay},
    reread::{Read, Reread},
    signal::find,
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

    pub(crate) fn into_rest(self) -> Option<Pin<Box<B>>> {
        self.rest
    }
}

/// Whether a body is worth reading: JSON, and not known to be long.
pub(crate) fn is_readable<B: Body>(response: &Response<B>, limit: usize) -> bool {
    let media_type = find(response.headers(), &[CONTENT_TYPE]).map(|value| value.as_bytes()).unwrap_or_default();
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_json = [&b"application/json"[..], b"application/problem+json"];
    let body = response.body();
    is_json.iter().any(|json| essence.eq_ignore_ascii_case(json))
        && !body.is_end_stream()
        && body.size_hint().lower() <= limit as u64
}

/// A failed answer that is read to its end, so that its connection can be used again.
pub(crate) struct Drain<B> {
    body: Pin<Box<B>>,
    left: usize,
}

impl<B: Body> Drain<B> {
    /// Nothing, if there is nothing to read or too much.
    pub(crate) fn new(body: Pin<Box<B>>, limit: usize) -> Option<Self> {
        let worth_it = !body.is_end_stream() && body.size_hint().lower() <= limit as u64;
        worth_it.then_some(Self { body, left: limit })
    }

    /// Ready: at its end, or as far as it may be read.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(frame)) = ready!(self.body.as_mut().poll_frame(cx)) {
            let read = frame.data_ref().map_or(0, Buf::remaining);
            match self.left.checked_sub(read.max(1)) {
                Some(left) if !self.body.is_end_stream() => self.left = left,
                _ => break,
            }
        }
        Poll::Ready(())
    }
}
