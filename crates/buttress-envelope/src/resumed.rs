//! A body of which a part was read: that part once more, and then the rest.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

#[derive(Debug)]
pub(crate) struct Resumed<B> {
    early: Early,
    body: Pin<Box<B>>,
}

/// What was read of a body.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) data: Bytes,
    /// What came after the data, unless there is more to read.
    pub(crate) end: Option<Result<Option<HeaderMap>, BoxError>>,
}

impl<B> Resumed<B> {
    pub(crate) fn new(body: Pin<Box<B>>, early: Early) -> Self {
        Self { early, body }
    }
}

impl<B> Body for Resumed<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if !self.early.data.is_empty() {
            let data = std::mem::take(&mut self.early.data);
            return Poll::Ready(Some(Ok(Frame::data(data.into()))));
        }
        match self.early.end.take() {
            Some(end) => Poll::Ready(end.map(|trailers| trailers.map(Frame::trailers)).transpose()),
            None => self.body.as_mut().poll_frame(cx).map_err(Into::into),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.early.data.len() as u64;
        if self.early.end.is_some() {
            return SizeHint::with_exact(read);
        }
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}
