//! A file on its way out as `multipart/form-data`, streamed.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use buttress_provider::UploadBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{Sleep, sleep},
};

use crate::{BoxError, settings::after};

pin_project! {
    /// What stands before the file, the file, what stands after it.
    pub(crate) struct Multipart {
        head: Option<Bytes>,
        file: Option<UploadBody>,
        tail: Option<Bytes>,
        idle: Duration,
        waiting: bool,
        #[pin]
        timer: Sleep,
        course: Course,
    }
}

/// What whoever sent the body wants to know of its course, and what not all transports tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    fault: Mutex<Option<BoxError>>,
    ended: Notify,
}

impl Course {
    /// The source's own error.
    pub(crate) fn take_fault(&self) -> Option<BoxError> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the last byte was handed over.
    pub(crate) async fn ended(&self) {
        self.0.ended.notified().await;
    }

    fn put_fault(&self, error: BoxError) {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// The body stops here, so that the transport breaks the request off.
#[derive(Debug, Error)]
#[error("the file broke off")]
struct BrokeOff;

/// The source of the file gave nothing for too long.
#[derive(Debug, Error)]
#[error("the file did not go on for {0:?}")]
struct Stalled(Duration);

impl Multipart {
    pub(crate) fn new(head: String, file: UploadBody, tail: String, idle: Duration, course: Course) -> Self {
        let (head, tail) = (Some(head.into()), Some(tail.into()));
        Self { head, file: Some(file), tail, idle, waiting: false, timer: sleep(Duration::ZERO), course }
    }

    /// The next piece of the file; `None` after its last.
    fn poll_file(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let mut this = self.project();
        let Some(file) = this.file else {
            return Poll::Ready(None);
        };
        while let Poll::Ready(frame) = Pin::new(&mut *file).poll_frame(cx) {
            *this.waiting = false;
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // Trailers have no place inside a form.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
        // Only waiting for the source counts: a slow receiver does not poll.
        if !std::mem::replace(this.waiting, true) {
            this.timer.as_mut().reset(after(*this.idle));
        }
        this.timer.poll(cx).map(|()| Some(Err(Stalled(*this.idle).into())))
    }
}

impl Body for Multipart {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(head) = self.as_mut().project().head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let piece = std::task::ready!(self.as_mut().poll_file(cx));
        let this = self.project();
        Poll::Ready(match piece {
            Some(Ok(data)) => Some(Ok(Frame::data(data))),
            Some(Err(error)) => {
                (*this.file, *this.tail) = (None, None);
                this.course.put_fault(error);
                Some(Err(BrokeOff.into()))
            }
            None => {
                *this.file = None;
                this.course.0.ended.notify_one();
                this.tail.take().map(|tail| Ok(Frame::data(tail)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.file.is_none() && self.tail.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let frame = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let around = frame(&self.head) + frame(&self.tail);
        let file = self.file.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(file.lower().saturating_add(around));
        if let Some(upper) = file.upper().and_then(|upper| upper.checked_add(around)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use buttress_provider::Upload;
    use futures_util::stream;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn multipart<B>(file: B, course: &Course) -> Multipart
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let file = Upload::new("image/png", file).body;
        Multipart::new("head|".into(), file, "|tail".into(), Duration::from_secs(30), course.clone())
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(text.into()))
    }

    #[tokio::test]
    async fn the_size_is_exact_where_that_of_the_file_is_and_the_end_is_told() {
        let body = Box::pin(multipart(Full::new(Bytes::from("file")), &Course::default()));
        assert_eq!(body.size_hint().exact(), Some(14));
        let mut body = body;
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            text.extend_from_slice(&frame.unwrap().into_data().unwrap());
            assert_eq!(body.size_hint().lower(), 14 - text.len() as u64);
        }
        assert_eq!(text, b"head|file|tail");
        assert!(body.is_end_stream());

        let streamed = multipart(StreamBody::new(stream::iter([data("a")])), &Course::default());
        assert_eq!((streamed.size_hint().lower(), streamed.size_hint().upper()), (10, None));
    }

    #[tokio::test]
    async fn trailers_of_the_file_are_left_out() {
        let trailers = Ok(Frame::trailers(http::HeaderMap::new()));
        let body = StreamBody::new(stream::iter([data("a"), trailers, data("b")]));
        let sent = multipart(body, &Course::default()).collect().await.unwrap();
        assert!(sent.trailers().is_none());
        assert_eq!(sent.to_bytes(), "head|ab|tail");
    }

    #[tokio::test]
    async fn a_failing_file_breaks_the_request_off_and_keeps_its_own_error() {
        let course = Course::default();
        let body = StreamBody::new(stream::iter([data("a"), Err("too large".into()), data("b")]));
        let mut body = Box::pin(multipart(body, &course));
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none(), "neither more of the file nor the closing boundary");
        assert_eq!(course.take_fault().unwrap().to_string(), "too large");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_stalls_is_given_up_and_a_slow_receiver_is_not() {
        let course = Course::default();
        let body = StreamBody::new(stream::iter([data("a")]).chain(stream::pending()));
        let mut body = Box::pin(multipart(body, &course));
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(body.frame().await.unwrap().is_ok());
        let started = tokio::time::Instant::now();
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(started.elapsed().as_secs(), 30);
        assert!(course.take_fault().unwrap().to_string().contains("30s"));
    }

    use futures_util::StreamExt;
}
