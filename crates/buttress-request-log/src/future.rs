use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{ResponseBody, line::Line};

pin_project! {
    /// The future of a [`RequestLog`](crate::RequestLog).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, polled or not, it writes a line with the outcome `client_left`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        line: Line,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) fn new(inner: F, line: Line) -> Self {
        Self { inner, line }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watched = this.line.watch();
        let polled = this.inner.poll(cx);
        watched.went_well();
        // In place, as to take the answer out would move it once more.
        match &polled {
            Poll::Ready(Ok(response)) => this.line.answer(response),
            Poll::Ready(Err(_)) => this.line.fail(),
            Poll::Pending => {}
        }
        polled.map_ok(|response| response.map(|body| ResponseBody::new(body, mem::take(this.line))))
    }
}
