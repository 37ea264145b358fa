//! What several test files need: a server that follows a script, a scripted body, a record of what was told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Attempt, Body};
use buttress_retry::{GaveUp, Reread, RetryLayer, Retrying};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::Instant;
use tower::Service;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn get() -> Request<Empty<Bytes>> {
    Request::get("http://example.com/x").body(Empty::new()).unwrap()
}

pub(crate) fn put(body: &'static str) -> Request<Full<Bytes>> {
    Request::put("http://example.com/x").body(Full::new(body.into())).unwrap()
}

pub(crate) fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("http://example.com/x").body(Full::new(body.into())).unwrap()
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).unwrap()
}

pub(crate) fn status(status: u16) -> Response<Full<Bytes>> {
    answer(status, &[], "")
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// What one try meets.
pub(crate) enum Try {
    Answer(Response<Full<Bytes>>),
    /// The same without a look at the request's body.
    Early(Response<Full<Bytes>>),
    Fail,
    Hang,
}

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) hint: Option<u64>,
    pub(crate) at: Instant,
}

/// A server that follows a script, and then answers 200.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: VecDeque<Try>,
    seen: Vec<Seen>,
    dropped: usize,
}

impl Server {
    pub(crate) fn new(script: impl IntoIterator<Item = Try>) -> Self {
        let server = Self::default();
        server.0.lock().unwrap().script.extend(script);
        server
    }

    pub(crate) fn answers(script: impl IntoIterator<Item = Response<Full<Bytes>>>) -> Self {
        Self::new(script.into_iter().map(Try::Answer))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap().seen)
    }

    pub(crate) fn tries(&self) -> usize {
        self.0.lock().unwrap().seen.len()
    }

    /// Tries that were broken off.
    pub(crate) fn dropped(&self) -> usize {
        self.0.lock().unwrap().dropped
    }

    /// Milliseconds between the tries.
    pub(crate) fn waits(&self) -> Vec<u64> {
        let state = self.0.lock().unwrap();
        let between = |pair: &[Seen]| (pair[1].at - pair[0].at).as_millis() as u64;
        state.seen.windows(2).map(between).collect()
    }
}

impl<B> Service<Request<B>> for Server
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Debug,
{
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Broken>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.0.clone();
        let next = this.lock().unwrap().script.pop_front().unwrap_or_else(|| Try::Answer(status(200)));
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut seen =
                Seen { head, body: Bytes::new(), trailers: None, hint: body.size_hint().exact(), at: Instant::now() };
            if matches!(next, Try::Answer(_)) {
                let Ok(body) = body.collect().await else { return Err(Broken) };
                seen.trailers = body.trailers().cloned();
                seen.body = body.to_bytes();
            }
            this.lock().unwrap().seen.push(seen);
            match next {
                Try::Answer(response) | Try::Early(response) => Ok(response),
                Try::Fail => Err(Broken),
                Try::Hang => {
                    let _counted = Counted(this);
                    std::future::pending().await
                }
            }
        })
    }
}

struct Counted(Arc<Mutex<State>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().unwrap().dropped += 1;
    }
}

/// A service that is always ready and answers at once, by a function.
#[derive(Clone)]
pub(crate) struct Instantly<F>(pub(crate) F);

impl<F, R, B> Service<Request<B>> for Instantly<F>
where
    F: FnMut(Request<B>) -> R,
{
    type Response = R;
    type Error = Infallible;
    type Future = Ready<Result<R, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok((self.0)(request)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Data(&'static str),
    Pending,
    Trailers,
    Error,
}

/// A body that does as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) tells_its_end: bool,
    pub(crate) length: Option<u64>,
}

pub(crate) fn script(steps: &[Step]) -> Script {
    Script { steps: steps.iter().copied().collect(), ..Script::default() }
}

pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("1"))])
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tells_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What the hooks of a layer were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) retries: Arc<Mutex<Vec<Retrying>>>,
    pub(crate) gave_up: Arc<Mutex<Vec<GaveUp>>>,
}

impl Told {
    pub(crate) fn by<P>(&self, layer: RetryLayer<P>) -> RetryLayer<P> {
        let (retries, gave_up) = (self.retries.clone(), self.gave_up.clone());
        layer
            .on_retry(move |retrying| retries.lock().unwrap().push(*retrying))
            .on_give_up(move |given_up| gave_up.lock().unwrap().push(*given_up))
    }

    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.gave_up.lock().unwrap().iter().map(|given_up| given_up.why.as_str()).collect()
    }

    pub(crate) fn delays(&self) -> Vec<Duration> {
        self.retries.lock().unwrap().iter().map(|retrying| retrying.delay).collect()
    }
}

/// The number of each try, as the requests say.
pub(crate) fn numbers(seen: &[Seen]) -> Vec<Option<u32>> {
    seen.iter().map(|seen| Attempt::of(&seen.head.extensions).map(Attempt::number)).collect()
}

pub(crate) async fn text<B>(response: Response<Body<Reread<B>>>) -> Bytes
where
    B: http_body::Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}
