use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::CorrelationId;
use buttress_envelope::{BoxError, EnvelopeLayer, ResponseBody};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// One thing that a body does.
#[derive(Debug)]
pub(crate) enum Step {
    Data(&'static str),
    /// Pends once, and wakes.
    Pause,
    /// Pends for ever.
    Hang,
    Trailers,
    Fail(&'static str),
}

/// A body that does what is written, and panics when it is polled after its end.
#[derive(Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    hint: Option<u64>,
    ended: bool,
}

pub(crate) fn script(steps: impl IntoIterator<Item = Step>) -> Script {
    Script { steps: steps.into_iter().collect(), hint: None, ended: false }
}

impl Script {
    /// Says before the first frame that it has this much data.
    pub(crate) fn says(mut self, length: u64) -> Self {
        self.hint = Some(length);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert!(!self.ended, "polled after its end");
        let frame = match self.steps.pop_front() {
            Some(Step::Data(data)) => {
                self.hint = self.hint.map(|left| left.saturating_sub(data.len() as u64));
                Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))
            }
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                return Poll::Pending;
            }
            Some(Step::Trailers) => Some(Ok(Frame::trailers(fields(&[("x-sum", "7")])))),
            Some(Step::Fail(error)) => Some(Err(error.into())),
            None => None,
        };
        self.ended = !matches!(&frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.hint.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

pub(crate) fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

pub(crate) fn answer<B>(status: u16, headers: &[(&'static str, &str)], body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = fields(headers);
    response
}

pub(crate) fn full(text: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(text.into())
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const ID: &str = "order-42";

pub(crate) fn request(method: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let id: CorrelationId = ID.parse().unwrap();
    let mut request = Request::builder().method(method).uri("/").extension(id).body(()).unwrap();
    *request.headers_mut() = fields(headers);
    request
}

/// What the layer makes of an answer to a request.
pub(crate) async fn through<B>(
    layer: EnvelopeLayer,
    request: Request<()>,
    answer: Response<B>,
) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut answer = Some(answer);
    let inner = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer.take().unwrap())));
    match ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await {
        Ok(response) => response,
    }
}

pub(crate) async fn got<B>(answer: Response<B>) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    through(EnvelopeLayer::new(), request("GET", &[]), answer).await
}

pub(crate) async fn text<B: Body>(body: B) -> Result<String, B::Error> {
    let bytes = body.collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

pub(crate) async fn json<B>(answer: Response<B>) -> Value
where
    B: Body,
    B::Error: std::fmt::Debug,
{
    serde_json::from_str(&text(answer.into_body()).await.unwrap()).unwrap()
}

/// A header field of an answer; empty, if it is not there.
pub(crate) fn said<B>(answer: &Response<B>, name: &str) -> String {
    answer.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}
