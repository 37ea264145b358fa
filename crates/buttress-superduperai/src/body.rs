use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use crate::BoxError;

/// The body of a call to the provider: bytes that are there, or an upload as it streams.
///
/// Its size hint is exact wherever the size is known, so that transports can set `Content-Length`.
pub struct RequestBody(Kind);

enum Kind {
    Full(Option<Bytes>),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Full(None))
    }

    pub(crate) fn full(data: Bytes) -> Self {
        Self(Kind::Full(Some(data).filter(|data| !data.is_empty())))
    }

    pub(crate) fn stream(body: impl Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self(Kind::Stream(body.boxed_unsync()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Full(data) => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(data) => data.is_none(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(data) => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("exact_size", &self.size_hint().exact()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn known_bytes_have_an_exact_size_and_come_in_one_frame() {
        let mut body = RequestBody::full("abc".into());
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        assert!(body.frame().await.is_none());
        assert!(RequestBody::full(Bytes::new()).is_end_stream());
        assert!(RequestBody::empty().is_end_stream());
    }

    #[tokio::test]
    async fn a_stream_keeps_its_hints() {
        let body = RequestBody::stream(Full::new(Bytes::from("abcd")).map_err(|never| match never {}));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
        assert!(!format!("{body:?}").contains("abcd"));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcd");
    }
}
