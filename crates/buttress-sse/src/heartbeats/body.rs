use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{BoxError, follower::Follower};

pin_project! {
    /// The body of an answer: passed on, or an event stream that is kept alive.
    ///
    /// Frames of the inner body go through as they are, trailers and errors included, and never wait for one another.
    /// There are two exceptions: a byte order mark is left out if a comment went before it, where it would spoil the
    /// first event; and of the last frame before the end of a drain, what comes after its last border is left out.
    ///
    /// # Errors
    ///
    /// What the inner body fails with, and [`UnfinishedEvent`](crate::UnfinishedEvent) when a stream was drained inside
    /// of an event that did not end in time. Nothing comes after either.
    ///
    /// # Panics
    ///
    /// When an event stream has to wait for its heartbeat, or for its end in a drain, outside of a Tokio runtime with
    /// time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the inner body, its timer and its place in the drain.
    #[derive(Debug)]
    #[must_use = "a body sends nothing unless it is polled"]
    pub struct HeartbeatBody<B> {
        #[pin]
        inner: B,
        // Of event streams only. In a box, so that all other bodies stay as small as they are.
        follower: Option<Pin<Box<Follower>>>,
    }
}

impl<B> HeartbeatBody<B> {
    pub(super) fn new(inner: B, follower: Option<Follower>) -> Self {
        Self { inner, follower: follower.map(Box::pin) }
    }
}

impl<B> Body for HeartbeatBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        match this.follower {
            None => this.inner.poll_frame(cx).map_err(Into::into),
            Some(follower) => follower.as_mut().poll_frame(this.inner, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let said = self.follower.as_ref().and_then(|follower| follower.is_end());
        said.unwrap_or_else(|| self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.follower {
            None => self.inner.size_hint(),
            Some(_) if self.is_end_stream() => SizeHint::with_exact(0),
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;
    use std::task::Waker;
    use tokio::time::Sleep;

    #[test]
    fn an_idle_stream_costs_at_most_512_bytes_and_another_body_a_pointer() {
        assert_eq!(size_of::<HeartbeatBody<Empty<Bytes>>>(), size_of::<usize>());
        // With its waker in the drain, and the time it is given there.
        let follower = size_of::<Follower>() + size_of::<Option<Waker>>() + size_of::<Sleep>();
        assert!(size_of::<HeartbeatBody<Empty<Bytes>>>() + follower <= 512, "{follower}");
    }
}
