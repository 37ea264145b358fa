use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::line::Line;

pin_project! {
    /// The body of an answer, which writes the line of its request when it ends.
    ///
    /// Frames, trailers, errors and hints of the inner body go through as they are.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, it writes a line with the outcome `client_left`. It knows its end by the last frame, so
    /// that a reader who stops there has not left early, and by the length that the answer promised.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        line: Line,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, line: Line) -> Self {
        Self { inner, line }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let watched = this.line.watch();
        let polled = this.inner.as_mut().poll_frame(cx);
        // A reader that trusts Content-Length never polls for the final `None`.
        let ended = matches!(polled, Poll::Ready(None)) || this.inner.is_end_stream();
        watched.went_well();
        match &polled {
            Poll::Ready(Some(Err(_))) => this.line.break_off(),
            Poll::Ready(Some(Ok(frame))) => this.line.send(frame.data_ref().map_or(0, length), ended),
            Poll::Ready(None) | Poll::Pending => this.line.send(0, ended),
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn length(data: &impl Buf) -> u64 {
    data.remaining() as u64
}
