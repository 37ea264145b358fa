use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer that a layer either passed on or made itself.
    ///
    /// The inner body goes through frame by frame, trailers, hints and errors included; an answer of the layer is a
    /// single frame of known length. It asks nothing of the inner body but that its data can be made from [`Bytes`],
    /// as that of hyper, axum and warp can.
    ///
    /// # Examples
    ///
    /// ```
    /// use buttress_core::Body;
    /// use http_body::Body as _;
    ///
    /// let refused: Body<String> = Body::full("no");
    /// assert_eq!(refused.size_hint().exact(), Some(2));
    /// let passed = Body::inner(String::from("hello"));
    /// assert_eq!(passed.size_hint().exact(), Some(5));
    /// ```
    #[derive(Clone, Debug)]
    pub struct Body<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Clone, Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Full { data: Option<Bytes> },
    }
}

impl<B> Body<B> {
    /// Passes a body on.
    pub fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    /// A body of the layer's own. Empty data makes an empty body.
    pub fn full(data: impl Into<Bytes>) -> Self {
        let data = Some(data.into()).filter(|data| !data.is_empty());
        Self { kind: Kind::Full { data } }
    }
}

impl Body<Infallible> {
    /// A body without an inner one can stand for any: so a layer can make an answer before it knows the body in whose place
    /// it goes out.
    pub fn for_any<B>(self) -> Body<B> {
        let Kind::Full { data } = self.kind;
        Body { kind: Kind::Full { data } }
    }
}

impl<B> HttpBody for Body<B>
where
    B: HttpBody,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Full { data } => Poll::Ready(data.take().map(|data| Ok(Frame::data(data.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Full { data } => data.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Full { data } => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use http::HeaderMap;

    use super::*;

    /// Two frames of data, then trailers, with an exact hint.
    #[derive(Debug)]
    struct Scripted(VecDeque<Frame<Bytes>>);

    impl HttpBody for Scripted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(6)
        }
    }

    fn frames<B: HttpBody<Data = Bytes, Error = Infallible> + Unpin>(mut body: B) -> Vec<Frame<Bytes>> {
        let mut cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(frame) => frame.map(Result::unwrap),
            Poll::Pending => panic!("nothing here is ever pending"),
        })
        .collect()
    }

    #[test]
    fn an_inner_body_keeps_its_frames_trailers_and_hints() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", http::HeaderValue::from_static("1"));
        let script = [Frame::data("abc".into()), Frame::data("def".into()), Frame::trailers(trailers)];
        let body = Body::inner(Scripted(script.into()));
        assert_eq!(body.size_hint().exact(), Some(6));
        assert!(!body.is_end_stream());
        let frames = frames(body);
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[1].data_ref().unwrap(), "def");
        assert_eq!(frames[2].trailers_ref().unwrap()["x-sum"], "1");
    }

    #[test]
    fn a_full_body_is_one_frame_and_then_ends() {
        let mut body: Body<Scripted> = Body::full("refused").for_any();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut cx).is_ready());
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(None)));
    }

    #[test]
    fn an_empty_body_has_no_frame_at_all() {
        let body: Body<Scripted> = Body::full("");
        assert!(body.is_end_stream());
        assert!(frames(body).is_empty());
    }

    #[test]
    fn it_is_send_and_sync_when_the_inner_body_is() {
        fn demand<T: Send + Sync + 'static>() {}
        demand::<Body<Scripted>>();
    }
}
