//! What several test files need: records to compare, a scripted body, lines as JSON.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll, Waker},
};

use buttress_request_log::{Outcome, Record, RequestLogLayer, ResponseBody};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tracing::{
    Dispatch,
    dispatcher::{self, DefaultGuard},
    level_filters::LevelFilter,
    subscriber::NoSubscriber,
};
use tracing_subscriber::fmt::MakeWriter;

/// What the hook of a layer was handed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Record>>>);

impl Records {
    pub(crate) fn layer(&self) -> RequestLogLayer {
        let records = self.0.clone();
        RequestLogLayer::new().on_request(move |record| records.lock().unwrap().push(record.clone()))
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.0.lock().unwrap().iter().map(|record| record.outcome).collect()
    }

    /// The only record there is.
    #[track_caller]
    pub(crate) fn one(&self) -> Record {
        let records = self.0.lock().unwrap();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Data(&'static str),
    Pending,
    Trailers,
    Error,
    Panic,
}

/// A body that does as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) tells_its_end: bool,
    pub(crate) length: Option<u64>,
    pub(crate) repeats: bool,
}

pub(crate) fn script(steps: &[Step]) -> Script {
    Script { steps: steps.iter().copied().collect(), ..Script::default() }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Broken;

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let step = self.steps.pop_front();
        if self.repeats {
            self.steps.extend(step);
        }
        match step {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Panic) => panic!("the body panicked"),
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

pub(crate) fn get() -> Request<()> {
    Request::new(())
}

/// The answer of a handler that gives this one, through the layer.
pub(crate) async fn answer<B>(
    layer: &RequestLogLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<ResponseBody<B>>
where
    B: Body,
{
    let mut response = Some(response);
    let handler = service_fn(move |_| {
        let response = response.take().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// Polls a body once, from nowhere.
pub(crate) fn poll<B: Body + Unpin>(body: &mut B) -> Polled<B> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Polls a body until it ends or breaks.
pub(crate) fn drain<B: Body + Unpin>(body: &mut B) {
    while let Poll::Pending | Poll::Ready(Some(Ok(_))) = poll(body) {}
}

/// Subscribers that want nothing, for as long as the process runs.
///
/// While there are fewer than two, a line or an event that is first met on a thread without one is off for all threads.
static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [NoSubscriber::new(), NoSubscriber::new()].map(Dispatch::new));

/// Tells a subscriber of what happens on this thread, until the guard goes.
pub(crate) fn subscribe(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    LazyLock::force(&OTHERS);
    dispatcher::set_default(&subscriber.into())
}

/// Keeps the lines that are written on this thread, as JSON.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn keep(&self, most: LevelFilter) -> DefaultGuard {
        let lines = tracing_subscriber::fmt().json().flatten_event(true).without_time();
        let lines = lines.with_max_level(most).with_writer(self.clone());
        subscribe(lines.finish())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn one(&self) -> Value {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
